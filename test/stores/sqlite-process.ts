/**
 * @module
 * Another process on the same database. Told by one message what to do, answers with one, and ends.
 */
import { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "../../src/log/errors.ts";
import { begin, commitOf, creation, outcomeOf, say } from "../../src/store/conformance/build.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";

export type Task =
  /** Appends messages to a session, again after each conflict. Answers with the number of conflicts. */
  | {
      readonly do: "append";
      readonly path: string;
      readonly id: string;
      readonly text: string;
      readonly count: number;
    }
  /** Locks the database, says so, and lets go after `ms`. */
  | { readonly do: "lock"; readonly path: string; readonly ms: number }
  /** Begins to read, says so, and ends after `ms`. */
  | { readonly do: "read"; readonly path: string; readonly ms: number }
  /** Uses a database that has no tables yet. Answers with the migration's report. */
  | { readonly do: "migrate"; readonly path: string; readonly id: string }
  /** Tries to write. Answers with the error. */
  | { readonly do: "write"; readonly path: string };

process.once("message", (task: Task) => {
  void run(task).then((answer) => {
    process.send?.(answer ?? null);
    process.disconnect();
  });
});

async function run(task: Task): Promise<unknown> {
  switch (task.do) {
    case "append":
      return append(task);
    case "lock":
      return hold(task.path, "BEGIN IMMEDIATE", task.ms);
    case "read":
      return hold(task.path, "BEGIN; SELECT count(*) FROM holdfast_sessions", task.ms);
    case "migrate": {
      const store = sqliteStore({ path: task.path });
      const report = await store.migrate();
      await begin(store, { id: task.id });
      await store.close();
      return report;
    }
    case "write":
      return tryToWrite(task.path);
  }
}

async function append({ path, id, text, count }: Extract<Task, { do: "append" }>): Promise<number> {
  const store = sqliteStore({ path, durability: "normal" });
  let [record] = await store.find([id]);
  let conflicts = 0;
  for (let index = 0; index < count; ) {
    const commit = commitOf(record, [say(`${text} ${index}`)]);
    const outcome = await outcomeOf(store, commit);
    if (outcome.status === "committed") {
      record = commit.record;
      index += 1;
    } else {
      if (outcome.status === "conflict") record = outcome.current;
      conflicts += 1;
    }
  }
  await store.close();
  return conflicts;
}

async function hold(path: string, sql: string, ms: number): Promise<void> {
  const database = new DatabaseSync(path);
  database.exec(sql);
  process.send?.("held");
  await new Promise((resolve) => setTimeout(resolve, ms));
  database.close();
}

async function tryToWrite(path: string): Promise<unknown> {
  const store = sqliteStore({ path, busyTimeoutMs: 100 });
  try {
    await store.commit([commitOf(undefined, [creation({ id: "late" })])]);
    return "committed";
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    return { code: error.code, message: error.message, retryable: error.retryable };
  } finally {
    await store.close();
  }
}
