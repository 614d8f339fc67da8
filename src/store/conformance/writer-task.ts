/**
 * @module
 * A writer that can run in another process: its task and its report are plain JSON.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { SessionStore } from "../store.ts";
import { commitOf, creation, outcomeOf, say } from "./build.ts";

export interface WriterTask {
  readonly sessionId: string;
  /** Begins the id and the text of each message, so that writers can be told apart. */
  readonly name: string;
  /** How many messages to append, each in a commit of its own. */
  readonly appends: number;
}

export interface WriterReport {
  readonly committed: number;
  readonly conflicts: number;
}

/** Far more than two writers can cause each other: a store that goes beyond it never lets a commit through. */
const MAX_CONFLICTS = 10_000;

/**
 * Migrates the store, creates the session where it does not exist, and appends `task.appends` messages, trying again
 * at each conflict.
 *
 * @throws STORE_CORRUPT where the store answers with a duplicate of an entry that was never committed, or with nothing
 *   but conflicts.
 */
export async function runWriterTask(store: SessionStore, task: WriterTask): Promise<WriterReport> {
  await store.migrate();
  let committed = 0;
  let conflicts = 0;
  let [record] = await store.find([task.sessionId]);
  while (committed < task.appends) {
    const next = nextCommit(record, task, committed);
    const outcome = await outcomeOf(store, next.commit);
    if (outcome.status === "duplicate") {
      throw new HoldfastError(
        "STORE_CORRUPT",
        `${outcome.entryId} was committed once and is a duplicate`,
        task,
      );
    }
    if (outcome.status === "committed") {
      record = next.commit.record;
      committed += next.appends;
    } else {
      record = outcome.current;
      conflicts += 1;
      if (conflicts > MAX_CONFLICTS) throw stuck(task, conflicts);
    }
  }
  return { committed, conflicts };
}

function stuck({ name, sessionId }: WriterTask, conflicts: number): HoldfastError {
  const what = `writer ${name} met ${conflicts} conflicts in session ${sessionId}, each at the record it was last told`;
  return new HoldfastError("STORE_CORRUPT", what, { sessionId });
}

function nextCommit(record: SessionRecord | undefined, { name, sessionId }: WriterTask, index: number) {
  if (record === undefined) return { appends: 0, commit: commitOf(undefined, [creation({ id: sessionId })]) };
  return { appends: 1, commit: commitOf(record, [say(`${name} ${index}`, `${name}-${index}`)]) };
}
