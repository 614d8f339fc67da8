/**
 * @module
 * What a session was given during an outage goes to the primary, in order and under compare-and-set.
 *
 * Each commit keeps the id that it was made with, and the primary's log past the common point says which of these ids are in
 * it. So there is no progress to keep: a replay that was cut off, at any moment, or that runs twice at once, goes on with the
 * first commit that is not there.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Entry } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { forkPoint } from "../../log/lineage.ts";
import type { SessionRecord } from "../../log/record.ts";
import { isExpired } from "../../log/record.ts";
import type { Commit, CommitOutcome, SessionStore } from "../../store/store.ts";
import { isSealed } from "../layer.ts";
import type { Divergence } from "./diverge.ts";
import { diverge, forkIdOf, noteIn } from "./diverge.ts";
import type { Debt } from "./journal.ts";
import { isOfLayers } from "./journal.ts";
import type { LoggedCommit } from "./logs.ts";
import { commitsOf, readAll, toCommits } from "./logs.ts";
import { rebase } from "./rebase.ts";

export interface Replaying {
  readonly debt: Debt;
  /** The primary, through the breaker. */
  readonly primary: Pick<SessionStore, "commit" | "find" | "read"> & { readonly name: string };
  readonly replica: Pick<SessionStore, "find" | "read">;
  /** Whether layers above see other entries than these: then these get no other session, and no other place where sealed. */
  readonly isBelow: boolean;
  readonly nowMs: () => number;
}

export interface Replayed {
  /**
   * - `replayed`: the primary has the log that the replica has.
   * - `rebased`: it has the same entries, behind what others wrote.
   * - `diverged`: they are in a fork.
   * - `expired`: the session's time was over, and the primary had let it go.
   * - `bound`: it lacks some that only the layers above can move.
   */
  readonly outcome: "replayed" | "rebased" | "diverged" | "expired" | "bound";
  /** How many commits the primary got. */
  readonly commits: number;
  readonly divergence?: Divergence;
}

/** Where the two logs part, and what each has past that. */
export interface Situation {
  /** The newest record of the replica. */
  readonly local: SessionRecord;
  /** The position up to which both logs are the same. */
  readonly baseSeq: number;
  /** All that was committed here past it. */
  readonly pending: readonly LoggedCommit[];
  /** The session as the primary has it. */
  readonly record: SessionRecord | undefined;
  /** What the primary has past that, where it is the same session. */
  readonly remote: readonly Entry[];
}

/** Another node may win this often in a row before it is left for the next attempt. */
const MAX_ATTEMPTS = 50;
/** Another node's writer that tries again after a conflict must get its turn after so many commits. */
const TURN = 10;
const PAUSE_MS = 5;

/** What the primary has of the session, as far as it is known. */
interface Seen {
  readonly record: SessionRecord | undefined;
  /** What it has past the common point, where it is the same session. */
  readonly remote: readonly Entry[];
}

/**
 * Brings what is pending of one session to the primary. Safe to repeat, also after a failure at any point.
 *
 * @throws what the primary rejects with; STORE_UNAVAILABLE, retryable, where other writers don't let it through.
 */
export async function replaySession(setting: Replaying): Promise<Replayed> {
  const { debt, primary, replica } = setting;
  const { sessionId } = debt;
  const [local] = await replica.find([sessionId]);
  // A crash came before the first commit, or after all of them were in the primary.
  if (local === undefined) return { outcome: "replayed", commits: 0 };
  const [first] = await primary.find([sessionId]);
  const baseSeq = await commonPoint(setting, local, first);
  const pending = commitsOf(await readAll(replica.read, sessionId, baseSeq, local.seq));
  if (pending.length === 0) return { outcome: "replayed", commits: 0 };
  const taken = new Set<string>();
  let sent = 0;
  let isFirst = true;
  let seen = await look(setting, local, first, { record: undefined, remote: [] }, baseSeq);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const step = await decideStep(setting, { local, baseSeq, pending, ...seen }, taken, isFirst);
    isFirst = false;
    if ("outcome" in step) return { ...step, commits: sent };
    const { commits, isShared } = step;
    const remote = [...seen.remote];
    let { record } = seen;
    let stopped: Exclude<CommitOutcome, { status: "committed" }> | undefined;
    for (const commit of isShared ? commits.slice(0, TURN) : commits) {
      const [outcome] = await primary.commit([commit]);
      if (outcome?.status !== "committed") {
        stopped = outcome ?? { status: "conflict" };
        break;
      }
      sent += 1;
      attempt = 0;
      record = commit.record;
      remote.push(...commit.entries);
    }
    seen = { record, remote };
    if (stopped === undefined) {
      if (commits.length > TURN && isShared) await delay(PAUSE_MS);
      continue;
    }
    // Not among what others wrote since the base: it is older, and the replica did not know.
    if (stopped.status === "duplicate" && attempt > 1) taken.add(stopped.entryId);
    const [now] =
      stopped.status === "conflict" && stopped.current ? [stopped.current] : await primary.find([sessionId]);
    seen = await look(setting, local, now, seen, baseSeq);
  }
  throw new HoldfastError(
    "STORE_UNAVAILABLE",
    `other writers won ${MAX_ATTEMPTS} times in a row on session ${JSON.stringify(sessionId)} while the journal was replayed; it is kept, and tried again`,
    { sessionId, store: primary.name },
  );
}

/** What is known once the primary's record is `record`: only what came since is read. */
async function look(
  { primary }: Replaying,
  local: SessionRecord,
  record: SessionRecord | undefined,
  before: Seen,
  baseSeq: number,
): Promise<Seen> {
  if (record?.createdAt !== local.createdAt) return { record, remote: [] };
  const known = before.record?.createdAt === record.createdAt ? before.remote : [];
  const after = known.at(-1)?.seq ?? baseSeq;
  return { record, remote: [...known, ...(await readAll(primary.read, local.id, after, record.seq))] };
}

/** What is to be committed next, or what came of it all. */
async function decideStep(
  setting: Replaying,
  situation: Situation,
  taken: ReadonlySet<string>,
  isFirst: boolean,
): Promise<Omit<Replayed, "commits"> | { readonly commits: readonly Commit[]; readonly isShared: boolean }> {
  const { debt, primary, isBelow, nowMs } = setting;
  const { local, baseSeq, pending, record, remote } = situation;
  const { sessionId } = debt;
  const away = async (reason: Divergence["reason"], types: readonly string[] = []) => {
    // What layers keep for themselves some of them wrote as it is.
    if (isBelow && (!isOfLayers(debt.namespace) || isAnySealed(pending)))
      return { outcome: "bound" } as const;
    mustBeMovable(pending, sessionId);
    const divergence = await diverge(setting, situation, reason, types);
    return { outcome: "diverged", divergence } as const;
  };

  if (record === undefined && debt.base) {
    return isExpired(local, nowMs()) ? { outcome: "expired" } : away("deleted");
  }
  // One that began here is known by its first commit.
  if (record && !debt.base && remote[0]?.commit !== pending[0]?.id) return away("exists");
  if (record && record.createdAt !== local.createdAt) return away("deleted");

  const own = new Map(pending.map((commit) => [commit.id, commit]));
  const there = commitsOf(remote);
  const landed = there.flatMap((commit) => {
    const ours = own.get(commit.id);
    return ours ? [[ours, commit] as const] : [];
  });
  const landedIds = new Set(landed.map(([{ id }]) => id));
  const left = pending.filter(({ id }) => !landedIds.has(id));
  const others = there.flatMap(({ id, entries }) => (own.has(id) ? [] : entries));
  if (left.length > 0 && record?.status === "deleted") return away("deleted");
  if (record === undefined || others.length === 0) {
    if (left.length === 0) return { outcome: "replayed" };
    return { commits: toCommits(sessionId, record, left, local), isShared: false };
  }
  if (isBelow && isAnySealed(left)) return { outcome: "bound" };
  mustBeMovable(left, sessionId);
  const rebased = rebase(left, { baseSeq, head: record, others, landed, taken, nowMs: nowMs() });
  if ("blocked" in rebased) return away("changed", rebased.blocked);
  // Where an earlier attempt began a fork it is finished, even if all could be rebased by now.
  const [fork] = isFirst && left.length > 0 ? await primary.find([forkIdOf(left)]) : [];
  if (fork) return away("changed");
  if (rebased.commits.length > 0)
    return { commits: toCommits(sessionId, record, rebased.commits), isShared: true };
  await noteIn(setting, local.version, { rebased: pending.length });
  return { outcome: "rebased" };
}

/**
 * @throws UNSUPPORTED where a layer that isn't around this store now has bound entries to their places: moved, nobody could
 *   read them any more. They stay in the journal, and are served from there.
 */
function mustBeMovable(commits: readonly LoggedCommit[], sessionId: string): void {
  if (!isAnySealed(commits)) return;
  throw new HoldfastError(
    "UNSUPPORTED",
    `session ${JSON.stringify(sessionId)} was written or removed elsewhere while it was written here, and what was written here is encrypted for its place, so only the layers that wrote it can move it; it is kept in the journal and served from there. Put the same encryptedStore around this fallbackStore, then call recover()`,
    { sessionId },
  );
}

function isAnySealed(commits: readonly LoggedCommit[]): boolean {
  return commits.some(({ entries }) => entries.some(isSealed));
}

/**
 * Sends `commits`, each once the one before it is there; answers with what stopped them, `undefined` where all are there.
 *
 * Not as a batch: where another node's commit takes the place of one, the next one of a batch would find the version that it
 * expects.
 */
export async function send(
  primary: Replaying["primary"],
  commits: readonly Commit[],
): Promise<Exclude<CommitOutcome, { status: "committed" }> | undefined> {
  for (const commit of commits) {
    const [outcome] = await primary.commit([commit]);
    if (outcome?.status !== "committed") return outcome ?? { status: "conflict" };
  }
  return undefined;
}

/**
 * Up to where both logs are the same. The primary may be behind what it had acknowledged, where it lost its newest writes
 * in a crash; then the replica has them, and they are pending too.
 */
async function commonPoint(
  { debt, primary, replica }: Replaying,
  local: SessionRecord,
  record: SessionRecord | undefined,
): Promise<number> {
  const { base, sessionId } = debt;
  if (base === undefined) return forkPoint(local);
  if (record === undefined || record.createdAt !== base.createdAt || record.seq >= base.seq) return base.seq;
  const range = { after: record.seq - 1, upTo: record.seq, limit: 1 };
  const [[here], [there]] = [await replica.read(sessionId, range), await primary.read(sessionId, range)];
  const isSame = here !== undefined && here.at === there?.at && here.commit === there.commit;
  return isSame && here.type === there?.type ? record.seq : base.seq;
}
