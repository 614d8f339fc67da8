/**
 * @module
 * The writer of sessions that save when told to: decides at once, so that what is asked for next sees it, and keeps it
 * for `save()`.
 */
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import type { Committing, Refused, Sent } from "./committing.ts";
import type { Draft } from "./draft.ts";
import type { AppendResult, Job } from "./job.ts";
import { newJob, resultOf } from "./job.ts";
import type { WritingKind } from "./writer.ts";

/** @param moved is told where entries go whose positions callers were told of. */
export function createHolding(
  committing: Committing,
  moved: Map<number, number>,
  onBusy: (isBusy: boolean) => void,
): WritingKind {
  let unsaved: Job[] = [];
  /** What is unsaved leads to it. */
  let draft: Draft | undefined;
  /** Saves that failed, and that the store may have taken, or may yet take, all the same. */
  let doubtful: { draft: Draft; jobs: readonly Job[] }[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  /** One after another, so that no two saves meet. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    waiting += 1;
    onBusy(true);
    const result = last.then(work).finally(() => {
      waiting -= 1;
      onBusy(waiting > 0 || unsaved.length > 0);
    });
    // Whoever asked for it gets its error; the next one must go on.
    last = result.catch(() => undefined);
    return result;
  }

  async function hold(job: Job): Promise<AppendResult> {
    if (committing.isOutdated([job])) await committing.refresh();
    const target = draft ?? committing.draft();
    const [refused] = await decideOne(target, job);
    // Nothing waits yet, so nothing keeps it from being decided on what others wrote.
    if (job.entries.length === 0 && !draft && !(await committing.isNewest(target))) return hold(job);
    if (refused) throw refused.error;
    if (job.entries.length > 0) {
      draft = target;
      job.told = job.entries;
      unsaved.push(job);
    }
    return resultOf(job, target.record);
  }

  async function decideOne(target: Draft, job: Job): Promise<Refused[]> {
    try {
      job.entries = [];
      await committing.add(target, job, false);
      return [];
    } catch (error) {
      return [{ job, error }];
    }
  }

  /** Decides all of `jobs` on the newest record. Answers with those that are refused. */
  async function decideAll(target: Draft, jobs: readonly Job[]): Promise<Refused[]> {
    const refused: Refused[] = [];
    moved.clear();
    for (const job of jobs) {
      refused.push(...(await decideOne(target, job)));
      noteMoves(job);
    }
    return refused;
  }

  /** Later jobs may name positions that their callers were told of: each entry is followed to where it is now. */
  function noteMoves({ told = [], entries }: Job): void {
    const left = [...entries];
    for (const { type, seq } of told) {
      const index = left.findIndex((entry) => entry.type === type);
      const [now] = index < 0 ? [] : left.splice(index, 1);
      if (now && now.seq !== seq) moved.set(seq, now.seq);
    }
  }

  /** Forgets jobs that are saved or can't be, and decides the others anew. */
  async function drop(jobs: readonly Job[]): Promise<void> {
    unsaved = unsaved.filter((job) => !jobs.includes(job));
    draft = undefined;
    if (unsaved.length > 0) {
      draft = committing.draft();
      await decideAll(draft, unsaved);
      for (const job of unsaved) job.told = job.entries;
    }
    moved.clear();
  }

  /** Commits what waits, and `now` with it where it is given, as one. */
  async function flush(now?: Job): Promise<{ jobs: readonly Job[]; record: SessionRecord | undefined }> {
    const before = await landed();
    if (before.length > 0) await drop([]);
    const jobs = now ? [...unsaved, now] : [...unsaved];
    let { record } = committing;
    if (committing.isOutdated(jobs)) await committing.refresh();
    const conflicts = { count: 0 };
    let open = jobs;
    while (open.length > 0) {
      const target = committing.draft();
      let refused = await decideAll(target, open);
      const isSure = open.every(({ entries }) => entries.length > 0);
      if (!isSure && !(await committing.isNewest(target))) continue;
      if (refused.length === 0) {
        const sent = await send(target, open, conflicts);
        if (sent.isCommitted) {
          record = target.record;
          break;
        }
        if (sent.refused) refused = [sent.refused];
        const saved = await landed();
        open = sent.left.filter((job) => !saved.includes(job));
      }
      if (refused[0]) {
        await drop(refused.map(({ job }) => job));
        throw refused[0].error;
      }
    }
    doubtful = [];
    await drop(jobs);
    return { jobs: [...before, ...jobs], record };
  }

  async function send(target: Draft, jobs: readonly Job[], conflicts: { count: number }): Promise<Sent> {
    try {
      return await committing.send(target, jobs, conflicts);
    } catch (error) {
      if (HoldfastError.is(error, "SESSION_DELETED")) await drop(unsaved);
      else doubtful.push({ draft: target, jobs });
      throw error;
    }
  }

  /** The jobs of a save that failed, where it turns out that the store took it. */
  async function landed(): Promise<readonly Job[]> {
    for (const { draft: sent, jobs } of doubtful) {
      if (!(await committing.hasLanded(sent))) continue;
      // The others were built on the same version or an older one, so they never will.
      doubtful = [];
      unsaved = unsaved.filter((job) => !jobs.includes(job));
      return jobs;
    }
    return [];
  }

  return {
    get draft() {
      return draft?.record && { record: draft.record, pending: draft.entries };
    },
    get pending() {
      return unsaved.length;
    },
    submit(intent) {
      const { job } = newJob(intent);
      return inTurn(async () => {
        if (!intent.now) return hold(job);
        const { record } = await flush(job);
        return resultOf(job, record);
      });
    },
    save: () =>
      inTurn(async () => {
        const { jobs, record } = await flush();
        const { version = 0, seq = 0 } = record ?? {};
        return { version, seq, ids: jobs.flatMap(({ ids }) => ids), duplicate: false };
      }),
  };
}
