/**
 * @module
 * Where sessions are: the projection, and past it the commit documents that it does not know of yet.
 *
 * It is behind for as long as a commit takes, or a moment longer where lists may be late, or since a crash. Whoever sees
 * that brings it up to date.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord, encodeRecord, heal } from "../../store/codec.ts";
import type { Projection, SessionDocument, SessionWithNext, StoredCommit } from "./driver.ts";
import { endSession, isEnd } from "./end.ts";
import { decodeEntries } from "./entries.ts";
import type { Base, Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** A session as it is. At ordinal 0 its life was reserved and nothing was committed yet: there is no session. */
export interface Head extends Base {
  readonly key: string;
  readonly id: string;
  readonly record?: SessionRecord;
  /** Its log was ended, and the session document is about to be deleted. */
  readonly isEnded?: true;
}

/** Places that one step looks at past a projection that is behind. */
const PROBES = 8;

/** Whether projections that are behind must be brought up to date, or only may. */
export type Healing = "must" | "may";

/** The newest record of each session, `undefined` where there is none. */
export async function findRecords(
  space: Space,
  ids: readonly string[],
): Promise<(SessionRecord | undefined)[]> {
  const unique = [...new Set(ids)];
  const heads = await readHeads(space, unique, "may");
  const ended = heads.flatMap((head) => (head?.isEnded ? head : []));
  // What was read is right without it, and reading must go on where nothing can be written.
  await Promise.allSettled(ended.map((head) => endSession(space, head)));
  const records = new Map(unique.map((id, index) => [id, recordOf(heads[index])]));
  return ids.map((id) => records.get(id));
}

function recordOf(head: Head | undefined): SessionRecord | undefined {
  return head?.isEnded ? undefined : head?.record;
}

/** Where each session is, `undefined` where there is no document of it. */
export async function readHeads(
  space: Space,
  ids: readonly string[],
  healing: Healing,
): Promise<(Head | undefined)[]> {
  if (ids.length === 0) return [];
  const keys = ids.map((id) => sessionKey(space.path, id));
  const rows = await withNext(space, keys);
  const present = rows.flatMap(({ session, next }) => (session ? [{ session, next }] : []));
  const heads = await headsOf(
    space,
    present.map(({ session }) => session),
    healing,
    present.map(({ next }) => next),
  );
  const byKey = new Map(heads.map((head) => [head.key, head]));
  return rows.map(({ session }) => session && byKey.get(session.key));
}

async function withNext({ driver }: Space, keys: readonly string[]): Promise<readonly SessionWithNext[]> {
  if (driver.getSessionsWithNext) return driver.getSessionsWithNext(keys);
  return (await driver.getSessions(keys, true)).map((session) => ({ session }));
}

/**
 * Where the sessions are of which these documents tell, in the same order.
 *
 * @param known of each the commit document past its projection, as far as that is known.
 */
export async function headsOf(
  space: Space,
  documents: readonly SessionDocument[],
  healing: Healing,
  known: readonly SessionWithNext["next"][] = [],
): Promise<Head[]> {
  const heads = documents.map((document) => headOf(space, document));
  const past: StoredCommit[][] = heads.map(() => []);
  /** Takes the next commit of a session; whether there may be another one. */
  const take = (index: number, commit: StoredCommit | undefined): boolean => {
    const head = heads[index];
    if (!head || !commit) return false;
    if (isEnd(commit)) {
      heads[index] = { ...head, isEnded: true };
      return false;
    }
    heads[index] = fold(space, head, commit);
    past[index]?.push(commit);
    return true;
  };
  let behind = heads.flatMap((_, index) => {
    const next = known[index];
    return next !== "none" && (next === undefined || take(index, next)) ? [index] : [];
  });
  for (let probes = known.length > 0 ? PROBES : 1; behind.length > 0; probes = PROBES) {
    const places = behind.flatMap((index) => {
      const { life = "", ordinal = 0 } = heads[index] ?? {};
      return Array.from({ length: probes }, (_, at) => ({ life, ordinal: ordinal + 1 + at }));
    });
    const next = await space.driver.getCommits(places);
    behind = behind.filter((index, at) =>
      next.slice(at * probes, (at + 1) * probes).every((commit) => take(index, commit)),
    );
  }
  await healProjections(space, heads, past, healing);
  return heads;
}

async function healProjections(
  { driver, path, late }: Space,
  heads: readonly Head[],
  past: readonly (readonly StoredCommit[])[],
  healing: Healing,
): Promise<void> {
  const projections = heads.flatMap((head, index): Projection[] => {
    const { key, life, ordinal, from, record, isEnded } = head;
    const commits = past[index] ?? [];
    if (commits.length === 0 || !record || isEnded) return [];
    return [{ key, space: path, life, ordinal, from, record, text: encodeRecord(record), commits }];
  });
  if (projections.length === 0) return;
  if (healing === "may" && late) {
    for (const projection of projections) late.add(projection);
    return;
  }
  const healed = driver.advance(projections);
  // What was read is right without it, and reading must go on where nothing can be written.
  if (healing === "may") await Promise.allSettled([healed]);
  else await healed;
}

/** Where a session is as far as its document tells. */
export function headOf({ name }: Space, document: SessionDocument): Head {
  const { record, ...rest } = document;
  if (record === undefined) return rest;
  return { ...rest, record: decodeRecord(record, document.id, name) };
}

function fold({ name }: Space, head: Head, commit: StoredCommit): Head {
  const { id, ordinal, seq } = head;
  if (ordinal > 0 && commit.first !== seq + 1) throw torn(name, id, `between ${seq} and ${commit.first}`);
  const record = heal(head.record, decodeEntries(commit, id, name));
  if (!record) throw torn(name, id, `at ${commit.first}`);
  return {
    ...head,
    ordinal: commit.ordinal,
    version: record.version,
    seq: record.seq,
    from: ordinal === 0 ? commit.first : head.from,
    createdAt: record.createdAt,
    record,
  };
}

/** Entries that were committed are not there. */
export function torn(store: string, sessionId: string, where: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `the log of session ${JSON.stringify(sessionId)} in the ${store} store lacks entries ${where}, so another program removed them; nothing was changed: restore a backup, or remove the session`,
    { sessionId, store },
  );
}
