import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "stores/sqlite": "src/stores/sqlite.ts",
    "stores/postgres": "src/stores/postgres.ts",
    "stores/mysql": "src/stores/mysql.ts",
    "stores/redis": "src/stores/redis.ts",
    "stores/mongodb": "src/stores/mongodb.ts",
    "stores/opensearch": "src/stores/opensearch.ts",
    "stores/prisma": "src/stores/prisma.ts",
    "stores/drizzle": "src/stores/drizzle.ts",
    "agent/index": "src/agent/index.ts",
    "store/conformance/index": "src/store/conformance/index.ts",
    "cli/main": "src/cli/main.ts",
  },
  format: "esm",
  platform: "node",
  target: "node22.13",
  dts: true,
  clean: true,
  fixedExtension: false,
});
