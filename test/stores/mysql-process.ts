/**
 * @module
 * Another process on the same MySQL database. Told by one message what to do, answers with one, and ends.
 */
import { begin, commitOf, creation, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { mysqlStore } from "../../src/stores/mysql.ts";

export interface Task {
  readonly url: string;
  /**
   * - `append`: all of `count` at once to the session `id`, each again after each conflict.
   * - `sessions`: `count` sessions at once, created and written to five times each, in batches and by themselves.
   * - `migrate`: uses a database without tables.
   */
  readonly do: "append" | "sessions" | "migrate";
  readonly id: string;
  readonly count: number;
}

process.once("message", (task: Task) => {
  void run(task).then((answer) => {
    process.send?.(answer ?? null);
    process.disconnect();
  });
});

async function run({ url, do: work, id, count }: Task): Promise<unknown> {
  const store = mysqlStore({ url });
  try {
    if (work === "append") {
      await Promise.all(
        Array.from({ length: count }, (_, index) => append(store, id, `${process.pid} ${index}`)),
      );
      return "appended";
    }
    if (work === "sessions") {
      const ids = Array.from({ length: count }, (_, index) => `${id} ${index}`);
      await Promise.all([
        together(store, ids.slice(0, count / 2)),
        ...ids.slice(count / 2).map(alone(store)),
      ]);
      return "written";
    }
    const report = await store.migrate();
    await begin(store, { id });
    return report;
  } finally {
    await store.close();
  }
}

async function append(store: SessionStore, id: string, text: string): Promise<void> {
  let [record] = await store.find([id]);
  for (;;) {
    const outcome = await outcomeOf(store, commitOf(record, [say(text, text)]));
    if (outcome.status === "committed") return;
    if (outcome.status === "duplicate") throw new Error(`${text} is a duplicate`);
    record = outcome.current;
  }
}

const alone =
  (store: SessionStore) =>
  async (id: string): Promise<void> => {
    const session = await begin(store, { id });
    for (let index = 0; index < 5; index += 1) await session.write(say(`${id} ${index}`, `m${index}`));
  };

async function together(store: SessionStore, ids: readonly string[]): Promise<void> {
  let commits = ids.map((id) => commitOf(undefined, [creation({ id })]));
  for (let index = 0; index < 6; index += 1) {
    for (const { status } of await store.commit(commits)) if (status !== "committed") throw new Error(status);
    commits = commits.map(({ record }) => commitOf(record, [say(`${record.id} ${index}`, `m${index}`)]));
  }
}
