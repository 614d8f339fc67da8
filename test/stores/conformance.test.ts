/**
 * Every case of the conformance suite, on every store that needs no server, and on each through a namespace.
 */
import { describe, test } from "vitest";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import { runConformance } from "../../src/store/conformance/index.ts";
import { folderHarness, inProcess, memoryHarness } from "./harnesses.ts";
import { referenceStore } from "./reference-store.ts";

const TENANT = "tenant: a/../b";

const HARNESSES: Readonly<Record<string, (...namespaces: string[]) => ConformanceHarness>> = {
  memory: memoryHarness,
  file: (...namespaces) => folderHarness("file", ...namespaces),
  sqlite: (...namespaces) => folderHarness("sqlite", ...namespaces),
  "sqlite over better-sqlite3": (...namespaces) => folderHarness("better-sqlite3", ...namespaces),
  "sqlite over libsql": (...namespaces) => folderHarness("libsql", ...namespaces),
  "a store of one's own": (...namespaces) =>
    inProcess(() => namespaces.reduce((view, name) => view.namespace(name), referenceStore())),
};

for (const [name, harnessOf] of Object.entries(HARNESSES)) {
  describe(name, () => runConformance(harnessOf(), { test, describe }));
  describe(`${name}, in a namespace`, () => runConformance(harnessOf(TENANT), { test, describe }));
}
