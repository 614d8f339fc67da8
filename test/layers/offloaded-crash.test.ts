/** A process that works with blobs and ends at any step of it. */
import { describe, expect, test } from "vitest";
import { collectBlobs } from "../../src/layers/offloaded.ts";
import { begin, note, outcomeOf } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { Place } from "./offloaded-place.ts";
import { GRACE_MS, isExact, place, text } from "./offloaded-place.ts";
import { deathAt } from "./offloaded-support.ts";

describe("a process that ends at any step", () => {
  /** All that a process does with blobs. What was acknowledged goes into `told`. */
  async function life(at: Place, store: SessionStore, told: Map<string, unknown[]>): Promise<void> {
    const write = async (id: string, ...contents: string[]): Promise<void> => {
      const session = await begin(store, { id }, note(contents[0]));
      told.set(id, [contents[0]]);
      for (const content of contents.slice(1)) {
        await session.write(note(content), { type: "state.set", data: { slot: "s", value: content } });
        told.set(id, [...(told.get(id) ?? []), content]);
      }
    };
    const remove = async (id: string): Promise<void> => {
      told.delete(id);
      await store.remove(id);
    };
    await write("a", text("a"), text("b"), text("a"));
    await write("b", text("b"), text("c"));
    await remove("a");
    await write("a", text("a"), text("d"));
    await remove("b");
    await begin(store, { id: "expiring", expiresAt: 1 }, note(text("e")));
    await store.sweep?.(2, 10);
    const session = await begin(store, { id: "late" }, note(text("f")));
    told.set("late", [text("f")]);
    const late = session.next(note(text("g")));
    await session.write(note(text("h")));
    told.set("late", [text("f"), text("h")]);
    await outcomeOf(store, late);
    at.wait(2 * GRACE_MS);
    await collectBlobs(store);
  }

  for (const when of ["before", "after"] as const) {
    test(`${when} it took place: what was acknowledged is there, and a collection leaves just that`, async () => {
      const seen = new Set<string>();
      for (let step = 1; ; step += 1) {
        const at = place();
        const gate = deathAt(step, when);
        const told = new Map<string, unknown[]>();
        await life(at, at.other(gate), told).catch((error: unknown) => {
          if (!gate.isDead) throw error;
        });
        if (!gate.isDead) {
          expect(step).toBeGreaterThan(80);
          break;
        }
        seen.add(gate.last);
        const reader = at.other();
        const check = async (): Promise<void> => {
          for (const [id, contents] of told) {
            const entries = await reader.read(id, { after: 0, limit: 100 });
            const notes = entries.flatMap(({ type, data }) => (type === "x.note" ? [data] : []));
            expect(notes.slice(0, contents.length), `step ${step}, ${gate.last}`).toEqual(contents);
            await reader.find([id]);
          }
        };
        await check();
        await collectBlobs(reader);
        await check();
        at.wait(2 * GRACE_MS);
        await collectBlobs(reader);
        await check();
        await isExact(at);
        // All can be written anew.
        for (const letter of "abcdefgh") await begin(reader, { id: `again ${letter}` }, note(text(letter)));
        await isExact(at);
      }
      expect([...seen].sort()).toEqual([
        "blob delete",
        "blob put",
        "ledger commit",
        "ledger find",
        "ledger list",
        "ledger remove",
        "log commit",
        "log find",
        "log list",
        "log read",
        "log remove",
        "log sweep",
      ]);
    });
  }
});
