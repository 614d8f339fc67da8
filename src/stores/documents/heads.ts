/**
 * @module
 * Where sessions are: the projection, and past it the commit documents that it does not know of yet.
 *
 * A commit document is created only after the projection has come to the one before it, so it is one behind at most, for
 * as long as a commit takes, or since a crash between the two. Whoever sees that brings it up to date.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { decodeRecord, encodeRecord, heal } from "../../store/codec.ts";
import type { Projection, SessionDocument, StoredCommit } from "./driver.ts";
import { decodeEntries } from "./entries.ts";
import type { Base, Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** A session as it is. At ordinal 0 its life was reserved and nothing was committed yet: there is no session. */
export interface Head extends Base {
  readonly key: string;
  readonly id: string;
  readonly record?: SessionRecord;
}

/** Whether projections that are behind must be brought up to date, or only may. */
export type Healing = "must" | "may";

/** The newest record of each session, `undefined` where there is none. */
export async function findRecords(
  space: Space,
  ids: readonly string[],
): Promise<(SessionRecord | undefined)[]> {
  const unique = [...new Set(ids)];
  const heads = await readHeads(space, unique, "may");
  const records = new Map(unique.map((id, index) => [id, heads[index]?.record]));
  return ids.map((id) => records.get(id));
}

/** Where each session is, `undefined` where there is no document of it. */
export async function readHeads(
  space: Space,
  ids: readonly string[],
  healing: Healing,
): Promise<(Head | undefined)[]> {
  if (ids.length === 0) return [];
  const documents = await space.driver.getSessions(
    ids.map((id) => sessionKey(space.path, id)),
    true,
  );
  const present = documents.filter((document) => document !== undefined);
  const heads = await headsOf(space, present, healing);
  const byKey = new Map(heads.map((head) => [head.key, head]));
  return documents.map((document) => document && byKey.get(document.key));
}

/** Where the sessions are of which these documents tell, in the same order. */
export async function headsOf(
  space: Space,
  documents: readonly SessionDocument[],
  healing: Healing,
): Promise<Head[]> {
  const heads = documents.map((document) => headOf(space, document));
  const past: StoredCommit[][] = heads.map(() => []);
  let behind = heads.map((_, index) => index);
  while (behind.length > 0) {
    const next = await space.driver.getCommits(
      behind.map((index) => {
        const { life = "", ordinal = 0 } = heads[index] ?? {};
        return { life, ordinal: ordinal + 1 };
      }),
    );
    behind = behind.filter((index, at) => {
      const head = heads[index];
      const commit = next[at];
      if (!head || !commit) return false;
      heads[index] = fold(space, head, commit);
      past[index]?.push(commit);
      return true;
    });
  }
  await healProjections(space, heads, past, healing);
  return heads;
}

async function healProjections(
  { driver, path }: Space,
  heads: readonly Head[],
  past: readonly (readonly StoredCommit[])[],
  healing: Healing,
): Promise<void> {
  const projections = heads.flatMap((head, index): Projection[] => {
    const { key, life, ordinal, from, record } = head;
    const commits = past[index] ?? [];
    if (commits.length === 0 || !record) return [];
    return [{ key, space: path, life, ordinal, from, record, text: encodeRecord(record), commits }];
  });
  if (projections.length === 0) return;
  const healed = driver.advance(projections);
  // What was read is right without it, and reading must go on where nothing can be written.
  if (healing === "may") await Promise.allSettled([healed]);
  else await healed;
}

function headOf({ name }: Space, document: SessionDocument): Head {
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
