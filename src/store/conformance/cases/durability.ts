/**
 * @module
 * Clauses C, once more: several processes, and what a restart finds.
 */
import { equal, sameEntries, sameRecord } from "../assert.ts";
import { begin, commitOf, creation, outcomeOf, say } from "../build.ts";
import type { ConformanceCase } from "../harness.ts";
import { need, processes, restart } from "../requirements.ts";
import { isConflict } from "./commit.ts";

export const durabilityCases: readonly ConformanceCase[] = [
  {
    key: "commit/two-processes",
    clause: "C3",
    title: "two processes that create, migrate and append at once lose nothing: every append is there, once",
    requires: processes,
    async run({ store, harness }) {
      const run = need(harness.runWriter, "runWriter()").bind(harness);
      const tasks = ["left", "right"].map((name) => ({ sessionId: "shared", name, appends: 25 }));
      const reports = await Promise.all(tasks.map(run));
      equal(
        reports.map(({ committed }) => committed),
        [25, 25],
        "what each process committed",
      );
      const entries = await store.read("shared", { after: 1, limit: 100 });
      equal(
        entries.map(({ seq }) => seq),
        Array.from({ length: 50 }, (_, index) => index + 2),
        "the positions",
      );
      for (const { name } of tasks) {
        const own = entries.map(({ id }) => id).filter((id) => id.startsWith(name));
        equal(
          own,
          Array.from({ length: 25 }, (_, index) => `${name}-${index}`),
          `the messages of the process "${name}"`,
        );
      }
      equal((await store.find(["shared"]))[0]?.messageCount, 50, "the message count");
    },
  },
  {
    key: "commit/restart",
    clause: "C10",
    title: "everything that was committed is there after a restart, and nothing that was removed",
    requires: restart,
    async run({ store, harness, settled }) {
      const session = await begin(
        store,
        { id: "kept", userId: "u", metadata: { b: 1, a: "x" } },
        say("before", "m1"),
      );
      await session.write(say("and after"), {
        type: "data.patched",
        data: { patch: { z: 1, a: new Date(5) } },
      });
      await begin(store, { id: "gone" }, say("gone"));
      await store.remove("gone");
      const stale = session.next(say("stale"));
      await session.write(say("last"));
      const again = await need(harness.restart, "restart()").call(harness);
      sameRecord((await again.find(["kept"]))[0], session.record, "the record");
      sameEntries(await again.read("kept", { after: 0, limit: 100 }), session.entries, "the log");
      equal(await again.find(["gone"]), [undefined], "the removed session");
      isConflict(await outcomeOf(again, stale), session.record, "a stale commit");
      equal(
        (await outcomeOf(again, commitOf(session.record, [say("before", "m1")]))).status,
        "duplicate",
        "a repeated id",
      );
      equal(
        await again.commit([session.next(say("goes on")), commitOf(undefined, [creation({ id: "gone" })])]),
        [{ status: "committed" }, { status: "committed" }],
        "new commits",
      );
      await settled(async () => {
        const { items } = await again.list({ order: "created", limit: 10 });
        equal(
          items.map(({ id }) => id),
          ["gone", "kept"],
          "the list",
        );
      });
    },
  },
  {
    key: "commit/restart-often",
    clause: "C10",
    title: "ten restarts, a commit between each, leave one whole log",
    requires: restart,
    async run({ store, harness }) {
      let open = store;
      const first = commitOf(undefined, [creation({ id: "a" })]);
      let last = first;
      const entries = [...first.entries];
      equal((await outcomeOf(open, first)).status, "committed", "the creation");
      for (let index = 0; index < 10; index += 1) {
        open = await need(harness.restart, "restart()").call(harness);
        last = commitOf(last.record, [say(`after restart ${index}`)]);
        equal((await outcomeOf(open, last)).status, "committed", `the commit after restart ${index}`);
        entries.push(...last.entries);
      }
      sameEntries(await open.read("a", { after: 0, limit: 100 }), entries, "the log");
      sameRecord((await open.find(["a"]))[0], last.record, "the record");
    },
  },
];
