/**
 * The MySQL store where several write at once: waits that are held open, deadlocks, creations, removals.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { SessionRecord } from "../../src/log/record.ts";
import { begin, commitOf, creation, note, say } from "../../src/store/conformance/build.ts";
import type { CommitOutcome } from "../../src/store/store.ts";
import { mysqlTools } from "./mysql-support.ts";

const tools = await mysqlTools({ "innodb-lock-wait-timeout": "1" });
if (tools) {
  const { newUrl, newStore, openTransaction, lastValue, areWaiting } = tools;

  test("of the same commit sent twice, alone and in a batch, the one that waited is a duplicate", async () => {
    for (const isAlone of [true, false]) {
      const uri = await newUrl();
      const store = newStore(uri);
      const session = await begin(store, { id: "a" });
      const other = await begin(store, { id: "b" });
      const connection = await openTransaction(uri);
      await connection.query("SELECT * FROM holdfast_sessions WHERE id = 'a' FOR UPDATE");
      const commit = session.next(say("once", "m1"));
      const batch = isAlone ? [commit] : [other.next(note(1)), commit];
      const waiting = [store.commit([commit]), store.commit(batch)];
      await areWaiting(2);
      await connection.query("ROLLBACK");
      const outcomes = (await Promise.all(waiting)).map((found) => found.at(-1));
      expect(outcomes).toContainEqual({ status: "committed" });
      expect(outcomes).toContainEqual({ status: "duplicate", entryId: "m1", seq: 2 });
      expect((await store.find(["b"]))[0]?.version).toBe(isAlone ? 1 : 2);
    }
  });

  test("a lock that is held for longer than the server waits is waited for again", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
    const session = await begin(store, { id: "a" });
    const connection = await openTransaction(uri);
    await connection.query("SELECT * FROM holdfast_sessions FOR UPDATE");
    const waiting = session.write(say("late"));
    await delay(1500);
    await connection.query("COMMIT");
    await waiting;
    expect((await store.find(["a"]))[0]?.version).toBe(2);
  });

  test("of creations at once one wins, and the others fail no other commit of their batches", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
    const own = await Promise.all(["x", "y", "z"].map((id) => begin(store, { id })));
    const batches = own.map((session) => [
      session.next(note(1)),
      commitOf(undefined, [creation({ id: "shared" })]),
      commitOf(undefined, [creation({ id: `new ${session.id}` })]),
    ]);
    const outcomes = await Promise.all(batches.map((batch) => store.commit(batch)));
    for (const outcome of outcomes)
      expect([outcome[0], outcome[2]]).toEqual([{ status: "committed" }, { status: "committed" }]);
    const shared = outcomes.map((outcome) => outcome[1]?.status).sort();
    expect(shared).toEqual(["committed", "conflict", "conflict"]);
  });

  test("a removal that waited for a commit takes what that wrote with it", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
    const session = await begin(store, { id: "a" }, say("early"));
    const connection = await openTransaction(uri);
    await connection.query("SELECT * FROM holdfast_sessions FOR UPDATE");
    const commit = store.commit([session.next(say("late"), note(1))]);
    await areWaiting(1);
    const removal = store.remove("a");
    await areWaiting(2);
    await connection.query("COMMIT");
    expect([(await commit)[0]?.status, await removal]).toEqual(["committed", true]);
    for (const table of ["sessions", "entries", "search"])
      expect(await lastValue(`SELECT count(*) FROM ${uri.split("/").at(-1)}.holdfast_${table}`), table).toBe(
        0,
      );
  });

  test("a sweep leaves what another one holds, and a session whose time was moved", async () => {
    const uri = await newUrl();
    const store = newStore(uri);
    const session = await begin(store, { id: "a", expiresAt: 1000 });
    await begin(store, { id: "b", expiresAt: 1000 });
    const connection = await openTransaction(uri);
    await connection.query(
      "SELECT * FROM holdfast_sessions FORCE INDEX (by_id) WHERE namespace = '' AND id = 'a' FOR UPDATE",
    );
    expect(await store.sweep?.(2000, 10)).toEqual(["b"]);
    await connection.query("COMMIT");
    await session.write({ type: "expiry.set", data: {} });
    expect(await store.sweep?.(2000, 10)).toEqual([]);
  });

  test("batches that share, create and remove sessions in any order all come to an end", async () => {
    const uri = await newUrl();
    const stores = [newStore(uri), newStore(uri)];
    await stores[0]?.migrate();
    const ids = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const records = new Map<string, SessionRecord>();
    let committed = 0;
    const write = async (writer: number): Promise<void> => {
      for (let round = 0; round < 15; round += 1) {
        const chosen = ids.toSorted(() => Math.random() - 0.5).slice(0, 8);
        const batch = chosen.map((id) => {
          const record = records.get(id);
          return record
            ? commitOf(record, [say(`word ${writer}`, `${writer}/${round}`)])
            : commitOf(undefined, [creation({ id })]);
        });
        const outcomes: CommitOutcome[] = (await stores[writer % 2]?.commit(batch)) ?? [];
        for (const [index, outcome] of outcomes.entries()) {
          const record = outcome.status === "conflict" ? outcome.current : batch[index]?.record;
          if (outcome.status === "committed") committed += 1;
          if (record && record.version > (records.get(record.id)?.version ?? 0))
            records.set(record.id, record);
        }
        if (Math.random() < 0.3)
          await stores[0]?.remove(ids[writer] ?? "").then(() => records.delete(ids[writer] ?? ""));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
    expect(committed).toBeGreaterThan(50);
    for (const record of (await stores[0]?.find(ids)) ?? []) {
      if (!record) continue;
      const log = (await stores[1]?.read(record.id, { after: 0, limit: 1000 })) ?? [];
      expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: record.seq }, (_, index) => index + 1));
    }
  });
}
