/**
 * The whole suite with the primary down from the start: what can be answered from the journal is answered right, and all
 * else is refused. Nothing is answered wrong.
 */
import { expect, test } from "vitest";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { conformanceReport } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { switched } from "./fallback-switch.ts";

/** What needs the primary: an absence, a removal, a fork of what may move, the engine itself. */
const REFUSED =
  /can't be reached, and session .* can't be served without it|(removing|deleting|forking|sweeping).* needs the .* store|the connection was lost/;

for (const [name, journal] of [
  ["memory", () => memoryStore()],
  ["sqlite", () => sqliteStore({ path: ":memory:" })],
] as const) {
  test(`with a journal in ${name}`, { timeout: 120_000 }, async () => {
    let store: SessionStore = memoryStore();
    const report = await conformanceReport({
      async open() {
        const primary = switched(memoryStore());
        primary.line.isDown = true;
        store = fallbackStore(primary.store, {
          journal: journal(),
          lists: "partial",
          probeEveryMs: 3_600_000,
        });
        return store;
      },
      openSecond: async () => store,
      destroy: () => store.close(),
    });
    const wrong = report.cases.filter(
      ({ status, error = "" }) => status === "failed" && !REFUSED.test(error),
    );
    expect(wrong).toEqual([]);
    expect(report.passed).toBeGreaterThan(100);
  });
}
