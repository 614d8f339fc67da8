/**
 * @module
 * The one write path. A writer turns commands into commits of one session: it queues them, lets all that wait go out
 * as one commit, decides against the newest record, and decides again after a conflict. `holding.ts` is the kind that
 * waits for `save()`.
 */
import type { SessionRecord } from "../log/record.ts";
import type { Committing, CommittingOptions, Refused } from "./committing.ts";
import { createCommitting } from "./committing.ts";
import type { Draft } from "./draft.ts";
import { missing } from "./draft.ts";
import type { Snapshot } from "./history.ts";
import { createHolding } from "./holding.ts";
import type { AppendResult, Intent, Job } from "./job.ts";
import { newJob, resultOf } from "./job.ts";

export interface Writer {
  readonly sessionId: string;
  /** The newest record known, with what waits to be saved. `undefined` before the session is created. */
  readonly record: SessionRecord | undefined;
  /** How many changes wait for `save()`. */
  readonly pending: number;
  snapshot(): Snapshot;
  /** Takes over a record that was read elsewhere, where it is newer. Whether it is of the same session. */
  observe(record: SessionRecord): boolean;
  submit(intent: Intent): Promise<AppendResult>;
  /**
   * Reads the newest record, so that what others wrote is known; answers with it, without what waits to be saved.
   *
   * @throws SESSION_DELETED, SESSION_NOT_FOUND where it has expired
   */
  refresh(): Promise<SessionRecord>;
  /**
   * Waits for all that was asked for, and commits what waits to be saved: all of it or nothing. What can't be any more
   * is dropped with its error; the rest waits on.
   */
  save(): Promise<AppendResult>;
}

export interface WriterOptions extends Omit<CommittingOptions, "moved"> {
  readonly autoSave: boolean;
  /** Called when the writer begins to have something in flight or unsaved, and when it has no more. */
  readonly onBusy?: (writer: Writer, isBusy: boolean) => void;
}

export function createWriter({ autoSave, onBusy = () => undefined, ...options }: WriterOptions): Writer {
  const moved = new Map<number, number>();
  const committing = createCommitting({ ...options, moved });
  const { sessionId } = options;
  const own = autoSave
    ? createSaving(committing, (isBusy) => onBusy(writer, isBusy))
    : createHolding(committing, moved, (isBusy) => onBusy(writer, isBusy));
  const writer: Writer = {
    sessionId,
    get record() {
      return own.draft?.record ?? committing.record;
    },
    get pending() {
      return own.pending;
    },
    snapshot() {
      const { record } = writer;
      if (record === undefined) throw missing(sessionId);
      return own.draft ?? { record, pending: [] };
    },
    observe: committing.observe,
    submit: own.submit,
    refresh: committing.refresh,
    save: own.save,
  };
  return writer;
}

/** What the two kinds of writer do each in its own way. */
export type WritingKind = Pick<Writer, "pending" | "submit" | "save"> & {
  readonly draft: Snapshot | undefined;
};

/** Commits at once: all that is asked for in one turn of the event loop's microtasks, or while a commit is in flight. */
function createSaving(committing: Committing, onBusy: (isBusy: boolean) => void): WritingKind {
  let queue: Job[] = [];
  /** While it runs: what is to be told once all that was asked for is over. */
  let onOver: (() => void)[] | undefined;

  async function run(): Promise<void> {
    await Promise.resolve();
    while (queue.length > 0) {
      const jobs = queue;
      queue = [];
      try {
        const later = await commitTogether(jobs);
        queue = [...later, ...queue];
      } catch (error) {
        for (const job of jobs) job.reject(error);
      }
    }
    const waiting = onOver ?? [];
    onOver = undefined;
    onBusy(false);
    for (const resolve of waiting) resolve();
  }

  /** Commits as many of `jobs` as can go together; answers with those that can't. */
  async function commitTogether(jobs: readonly Job[]): Promise<Job[]> {
    const conflicts = { count: 0 };
    let open = [...jobs];
    if (committing.isOutdated(open)) await committing.refresh();
    for (;;) {
      const { draft, taken, refused, later } = await decideTogether(open);
      const isSure = refused.length === 0 && taken.every(({ entries }) => entries.length > 0);
      if (!isSure && !(await committing.isNewest(draft))) continue;
      for (const { job, error } of refused) job.reject(error);
      try {
        const sent = await committing.send(draft, taken, conflicts);
        if (sent.isCommitted) {
          for (const job of taken) job.resolve(resultOf(job, draft.record));
          return later;
        }
        sent.refused?.job.reject(sent.refused.error);
        open = [...sent.left, ...later];
      } catch (error) {
        for (const job of taken) job.reject(error);
        return later;
      }
    }
  }

  async function decideTogether(
    jobs: readonly Job[],
  ): Promise<{ draft: Draft; taken: Job[]; refused: Refused[]; later: Job[] }> {
    const draft = committing.draft();
    const taken: Job[] = [];
    const refused: Refused[] = [];
    for (const [index, job] of jobs.entries()) {
      const isFirst = draft.entries.length === 0;
      // Who names a version has to come first, and who asks for what took place before, alone.
      if (draft.probe !== undefined || (job.intent.expectedVersion !== undefined && !isFirst)) {
        return { draft, taken, refused, later: jobs.slice(index) };
      }
      try {
        const adding = committing.add(draft, job, isFirst);
        if (adding) await adding;
        taken.push(job);
      } catch (error) {
        refused.push({ job, error });
      }
    }
    return { draft, taken, refused, later: [] };
  }

  return {
    draft: undefined,
    pending: 0,
    submit(intent) {
      const { job, result } = newJob(intent);
      queue.push(job);
      if (!onOver) {
        onOver = [];
        onBusy(true);
        void run();
      }
      return result;
    },
    async save() {
      await new Promise<void>((resolve) => (onOver ? onOver.push(resolve) : resolve()));
      const { version = 0, seq = 0 } = committing.record ?? {};
      return { version, seq, ids: [], duplicate: false };
    },
  };
}
