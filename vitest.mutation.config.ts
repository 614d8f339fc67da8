import { defineConfig } from "vitest/config";

/** For `stryker run`: the tests of the log alone, and no search for the smallest counterexample. */
export default defineConfig({
  test: {
    include: ["test/unit/*.test.ts"],
    setupFiles: ["test/support/mutation-setup.ts"],
    testTimeout: 30_000,
  },
});
