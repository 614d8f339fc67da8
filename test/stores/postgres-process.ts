/**
 * @module
 * Another process on the same PostgreSQL database. Told by one message what to do, answers with one, and ends.
 */

import { begin, commitOf, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { postgresStore } from "../../src/stores/postgres.ts";

export interface Task {
  readonly url: string;
  readonly schema: string;
  /** `append`: all of `count` at once, each again after each conflict. `migrate`: uses a database without tables. */
  readonly do: "append" | "migrate";
  readonly id: string;
  readonly count: number;
}

process.once("message", (task: Task) => {
  void run(task).then((answer) => {
    process.send?.(answer ?? null);
    process.disconnect();
  });
});

async function run({ url, schema, do: work, id, count }: Task): Promise<unknown> {
  const store = postgresStore({ url, schema });
  try {
    if (work === "append") {
      await Promise.all(
        Array.from({ length: count }, (_, index) => append(store, id, `${process.pid} ${index}`)),
      );
      return "appended";
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
