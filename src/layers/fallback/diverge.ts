/**
 * @module
 * What can't be rebased is kept as a fork: a session of its own that inherits what both nodes have, and holds what was
 * written here since, each commit as it was made.
 */
import { randomBytes } from "node:crypto";
import type { Entry, EntryData, StoredObject } from "../../log/entry.ts";
import { isKnown, positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { evolveAll } from "../../log/evolve.ts";
import { forkPoint, lineageAt } from "../../log/lineage.ts";
import type { Conversation, LineagePart, SessionRecord } from "../../log/record.ts";
import { conversationOf, isExpired } from "../../log/record.ts";
import type { LoggedCommit } from "./logs.ts";
import { commitsOf, readAll, toCommits } from "./logs.ts";
import { shifted } from "./rebase.ts";
import type { Replaying, Situation } from "./replay.ts";
import { send } from "./replay.ts";

export interface Divergence {
  readonly namespace: string;
  readonly sessionId: string;
  /** The session that holds what was written here; of kind `"fork"`. */
  readonly forkId: string;
  /**
   * - `deleted`: the session was deleted elsewhere; the fork inherits nothing of it.
   * - `exists`: another session was created elsewhere under the id of one that was created here.
   * - `changed`: both nodes wrote, and what one wrote can't stand behind what the other did.
   */
  readonly reason: "deleted" | "exists" | "changed";
  /** For `changed`: the types of entries that stood in the way. */
  readonly types: readonly string[];
  /** What was written here, at the positions that it had here. */
  readonly entries: readonly Entry[];
}

const NOTE = "x.holdfast.replayed";

/** The fork's id; the same however often it is made. */
export function forkIdOf(left: readonly LoggedCommit[]): string {
  return `diverged-${left[0]?.id}`;
}

/** Makes the fork of what is not in the primary yet, and notes it in the log of the session that goes on. Safe to repeat. */
export async function diverge(
  setting: Replaying,
  situation: Situation,
  reason: Divergence["reason"],
  types: readonly string[],
): Promise<Divergence> {
  const { primary, debt } = setting;
  const { sessionId, namespace } = debt;
  const { local, baseSeq, pending, record, remote } = situation;
  const goesOn = reason === "changed" ? record : undefined;
  const ids = new Set(pending.map(({ id }) => id));
  const landed = commitsOf(reason === "exists" ? [] : remote).filter(({ id }) => ids.has(id));
  const landedIds = new Set(landed.map(({ id }) => id));
  const left = pending.filter(({ id }) => !landedIds.has(id));
  const forkId = forkIdOf(left);
  const commonSeq = landed.at(-1)?.entries.at(-1)?.seq ?? baseSeq;

  const created =
    reason === "exists"
      ? renamed(left, forkId, sessionId)
      : await beginning(setting, situation, { goesOn, commonSeq, forkId });
  const fork = reason === "exists" ? withFirst(left, created) : behind(left, created, commonSeq);
  for (;;) {
    const [head] = await primary.find([forkId]);
    const start = created.seq - 1;
    const inFork = head ? await readAll(primary.read, forkId, start, head.seq) : [];
    const done = new Set(commitsOf(inFork).map(({ id }) => id));
    const commits = toCommits(
      forkId,
      head,
      fork.filter(({ id }) => !done.has(id)),
    );
    const stopped = await send(primary, commits);
    if (stopped === undefined) break;
    if (stopped.status === "duplicate") throw cannotFork(sessionId, forkId, primary.name);
  }
  if (goesOn) await noteIn(setting, local.version, { forkId, types });
  return {
    namespace,
    sessionId,
    forkId,
    reason,
    types,
    entries: left.flatMap(({ entries }) => entries),
  };
}

/** The first entry of a session that was created here, under another id. */
function renamed(left: readonly LoggedCommit[], id: string, parentId: string): Entry {
  const [first] = left[0]?.entries ?? [];
  if (!first || !isKnown(first) || first.type !== "session.created") throw noBeginning(parentId);
  return { ...first, data: { ...first.data, id, kind: "fork", parentId } };
}

function withFirst(left: readonly LoggedCommit[], created: Entry): LoggedCommit[] {
  return left.map((commit, index) =>
    index === 0 ? { ...commit, entries: [created, ...commit.entries.slice(1)] } : commit,
  );
}

/** `left` behind the first entry of the fork, which is of the first commit. */
function behind(left: readonly LoggedCommit[], created: Entry, commonSeq: number): LoggedCommit[] {
  const first = left[0]?.entries[0]?.seq ?? commonSeq + 1;
  return shifted(left, commonSeq + 2 - first, 1).map(({ id, entries }, index) => {
    if (index > 0) return { id, entries };
    const rest = entries.map(({ commit: _commit, ...entry }) => entry);
    return { id, entries: [{ ...created, commit: id }, ...rest] };
  });
}

interface Beginning {
  /** The session where it is there to inherit from. */
  readonly goesOn: SessionRecord | undefined;
  readonly commonSeq: number;
  readonly forkId: string;
}

/** The first entry of a fork at the common point. */
async function beginning(
  setting: Replaying,
  situation: Situation,
  { goesOn, commonSeq, forkId }: Beginning,
): Promise<Entry> {
  const { sessionId } = setting.debt;
  const { local, pending } = situation;
  const common = goesOn && (await commonOf(setting, situation, commonSeq));
  const { namespace, userId, agent, metadata, dataVersion, expiresAt } = common ?? local;
  const lineage = goesOn ? lineageAt(goesOn, commonSeq) : await lineageOfGone(setting, local, commonSeq);
  const base = common ? conversationOf(common) : await inheritedBy(setting, local);
  const data: EntryData["session.created"] = {
    id: forkId,
    namespace,
    kind: "fork",
    parentId: sessionId,
    lineage,
    dataVersion,
    metadata,
    ...(userId !== undefined && { userId }),
    ...(agent !== undefined && { agent }),
    ...(common?.label !== undefined && { label: common.label }),
    ...(expiresAt !== undefined && !isExpired({ expiresAt }, setting.nowMs()) && { expiresAt }),
    ...(base && { base }),
  };
  const seq = commonSeq + 1;
  const at = pending[0]?.entries[0]?.at ?? setting.nowMs();
  return { seq, id: positionalId(seq), type: "session.created", data, at };
}

/** The record at the common point. */
async function commonOf(
  { debt, replica }: Replaying,
  { local, baseSeq, remote }: Situation,
  commonSeq: number,
): Promise<SessionRecord> {
  const { sessionId } = debt;
  const own = await readAll(replica.read, sessionId, forkPoint(local), baseSeq);
  const common = evolveAll(undefined, [...own, ...remote.filter(({ seq }) => seq <= commonSeq)]);
  if (common === undefined) throw noBeginning(sessionId);
  return common;
}

/** What was deleted stays so: its stretch keeps its place and holds nothing. */
async function lineageOfGone(
  { primary }: Replaying,
  { id, lineage }: SessionRecord,
  commonSeq: number,
): Promise<LineagePart[]> {
  const found = await primary.find(lineage.map((part) => part.id));
  const before = lineage.map(
    (part, index): LineagePart => (found[index] === undefined ? { ...part, erased: true } : part),
  );
  return [...before, { id, upTo: commonSeq, erased: true }];
}

/** What a fork that was deleted had from those before it. Of all else that it held nothing is looked at: it may be gone. */
async function inheritedBy({ replica }: Replaying, local: SessionRecord): Promise<Conversation | undefined> {
  if (local.lineage.length === 0) return undefined;
  const [first] = await replica.read(local.id, { after: forkPoint(local), limit: 1 });
  return first && isKnown(first) && first.type === "session.created" ? first.data.base : undefined;
}

/**
 * Notes what became of commits that were made here, in commits of one entry each, as many as bring the session past the
 * version that it has here, if any: versions only grow, and who has it open here must see that it moved on.
 */
export async function noteIn(
  { primary, nowMs, debt }: Replaying,
  localVersion: number,
  note: StoredObject,
): Promise<void> {
  const { sessionId } = debt;
  for (;;) {
    const [head] = await primary.find([sessionId]);
    // Deleted meanwhile: nobody has it open.
    if (head === undefined || head.status === "deleted" || head.version > localVersion) return;
    const missing = localVersion + 1 - head.version;
    const noted = Array.from({ length: missing }, (_, index): LoggedCommit => {
      const seq = head.seq + 1 + index;
      const id = randomBytes(12).toString("base64url");
      return {
        id,
        entries: [{ seq, id: positionalId(seq), type: NOTE, data: note, at: nowMs(), commit: id }],
      };
    });
    await send(primary, toCommits(sessionId, head, noted));
  }
}

function cannotFork(sessionId: string, forkId: string, store: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `session ${JSON.stringify(forkId)}, which is to keep what was written to ${JSON.stringify(sessionId)}, holds other entries under the same ids`,
    { sessionId, store },
  );
}

function noBeginning(sessionId: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `the replica of session ${JSON.stringify(sessionId)} has no beginning; what was written to it is kept in the journal`,
    { sessionId },
  );
}
