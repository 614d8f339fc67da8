import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    typecheck: { enabled: true, include: ["test/types/**/*.test-d.ts"], tsconfig: "./tsconfig.json" },
    coverage: {
      provider: "v8",
      include: ["src/log/**", "src/store/**", "src/session/**"],
      reporter: ["text-summary", "json-summary"],
      reportOnFailure: true,
      thresholds: {
        "src/log/**": { lines: 95 },
        "src/store/**": { lines: 95 },
        "src/session/**": { lines: 95 },
      },
    },
  },
});
