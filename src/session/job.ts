/**
 * @module
 * A change on its way, and what became of it.
 */
import type { Command } from "../log/decide.ts";
import type { Entry } from "../log/entry.ts";
import type { SessionRecord } from "../log/record.ts";
import type { History } from "./history.ts";

/** What a write led to. */
export interface AppendResult {
  /** The session's version after the commit. */
  readonly version: number;
  /** The position of the last entry that was written. */
  readonly seq: number;
  /** The ids of the messages, in the order given. */
  readonly ids: string[];
  /** Whether all of it was there already, from an earlier call with the same ids. */
  readonly duplicate: boolean;
}

/** A change that somebody wants. */
export interface Intent {
  /** The command, or how to find it in the newest history; asked again after a conflict. */
  readonly command: Command | ((history: History) => Command | Promise<Command>);
  /** Fails with VERSION_CONFLICT unless the session is at this version. Such an intent is not tried again. */
  readonly expectedVersion?: number;
  /** What to do with an entry whose id is in the log already. Default `"skip"`: it took place before. */
  readonly onDuplicate?: "skip" | "renumber";
  /** Throws where the change may not happen; asked with the newest record. */
  readonly guard?: (record: SessionRecord) => void;
  /** Commits at once, with what waits to be saved, whatever auto-save says. */
  readonly now?: boolean;
}

/** An intent on its way, with what was learnt about it. */
export interface Job {
  readonly intent: Intent;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
  /** Entries of it that the log holds already, by id, with their positions. */
  readonly known: Map<string, number>;
  /** The ids of its messages. */
  ids: string[];
  /** The entries that it leads to, as they were last decided. */
  entries: readonly Entry[];
  /** Those that its caller was told of, before they were committed. */
  told?: readonly Entry[];
  lastSeq: number;
  /** What an earlier call with the same operation id led to. */
  firstResult?: { readonly version: number; readonly seq: number; readonly ids: string[] };
  /** The job that does the same in the same commit. */
  twin?: Job;
}

/** A job for `intent`, and the promise of what comes of it. */
export function newJob(intent: Intent): { job: Job; result: Promise<AppendResult> } {
  const { promise, resolve, reject } = Promise.withResolvers<AppendResult>();
  return {
    job: { intent, resolve, reject, known: new Map(), ids: [], entries: [], lastSeq: 0 },
    result: promise,
  };
}

/** What `job` led to, where the session is at `record` now. */
export function resultOf(job: Job, record: SessionRecord | undefined): AppendResult {
  if (job.twin) return { ...resultOf(job.twin, record), duplicate: true };
  return {
    version: job.firstResult?.version ?? record?.version ?? 0,
    seq: job.firstResult?.seq ?? (job.lastSeq || (record?.seq ?? 0)),
    ids: job.firstResult?.ids ?? job.ids,
    duplicate: job.entries.length === 0 && (job.known.size > 0 || job.ids.length > 0),
  };
}
