/**
 * @module
 * Where wrapped data keys are kept: each wrapping is a session of its own, in a namespace of the layer's. It is written once
 * and never changed, so that removing it leaves no trace, also where logs are append-only.
 *
 * The first wrapping of a data key is under the key's id. A rotation makes others, under ids that are never used again, and
 * then removes those that it found. All wrappings of a key are found by the session's tag.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Entry } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { evolve } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, SessionStore } from "../../store/store.ts";
import { internal } from "../layer.ts";
import type { KeyContext, WrappedKey } from "./keyring.ts";
import { INDEX_KEY } from "./keyring.ts";

/** A wrapping as it is stored. */
export interface Wrapping {
  /** The session that holds it. */
  readonly place: string;
  readonly keyId: string;
  /** Whose data key it is. */
  readonly sessionId: string;
  readonly wrapped: WrappedKey;
  readonly createdAt: number;
  /** Its record, where it was read. */
  readonly record?: SessionRecord;
}

/** The store that keeps the keys of the namespace that `below` is. */
export function keyPlaceOf(below: SessionStore, keys: SessionStore | undefined): SessionStore {
  const place = keys
    ? (below.namespaceName ?? "")
        .split("/")
        .filter((name) => name !== "")
        .reduce((view, name) => view.namespace(decodeURIComponent(name)), keys)
    : below;
  return internal(place, "keys");
}

/** What the wrappings of a session's keys are found by. A session id may be as long as any id, so it can't be part of one. */
export function tagOf(sessionId: string): string {
  return createHash("sha256").update(sessionId).digest("base64url");
}

/** The place of another wrapping of a key. Never the same twice. */
export function newPlace(keyId: string): string {
  return `${keyId}.${randomBytes(9).toString("base64url")}`;
}

/** The commit that stores a wrapping. */
export function wrappingCommit(
  store: SessionStore,
  { place, keyId, sessionId, wrapped, createdAt }: Wrapping,
): Commit {
  const entry: Entry = {
    seq: 1,
    id: positionalId(1),
    type: "session.created",
    at: createdAt,
    commit: randomBytes(12).toString("base64url"),
    data: {
      id: place,
      namespace: store.namespaceName ?? "",
      kind: "session",
      userId: keyId === INDEX_KEY ? INDEX_KEY : tagOf(sessionId),
      agent: wrapped.masterKeyId,
      metadata: { key: keyId, session: sessionId, wrapped: Buffer.from(wrapped.bytes).toString("base64") },
      dataVersion: 1,
    },
  };
  return { sessionId: place, expectedVersion: 0, entries: [entry], record: evolve(undefined, entry) };
}

/** @throws STORE_CORRUPT where the record holds no wrapping. */
export function wrappingOf(record: SessionRecord, store: string): Wrapping {
  const { id, agent, createdAt, metadata } = record;
  const { key, session, wrapped } = metadata;
  if (
    typeof agent !== "string" ||
    typeof key !== "string" ||
    typeof session !== "string" ||
    typeof wrapped !== "string"
  ) {
    throw new HoldfastError(
      "STORE_CORRUPT",
      `the key ${JSON.stringify(id)} in the ${store} store is not a wrapped data key; nothing was changed, restore it from a backup`,
      { store },
    );
  }
  return {
    place: id,
    keyId: key,
    sessionId: session,
    wrapped: { masterKeyId: agent, bytes: Buffer.from(wrapped, "base64") },
    createdAt,
    record,
  };
}

/** What a wrapping is bound to: it unwraps for this session and key only. */
export function contextOf(namespace: string, sessionId: string, keyId: string): KeyContext {
  return { namespace, session: sessionId, key: keyId };
}

/** All wrappings of the keys of one session (or of the index). More than a page of them there never are but after crashes. */
export async function wrappingsOf(
  store: SessionStore,
  sessionId: string,
  isIndex = false,
): Promise<Wrapping[]> {
  const userId = isIndex ? INDEX_KEY : tagOf(sessionId);
  const found: Wrapping[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      userId,
      order: "created",
      limit: 100,
      ...(cursor !== undefined && { cursor }),
    });
    for (const record of page.items) found.push(wrappingOf(record, store.name));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

/** Removed one by one up to here; a sweep takes more in one step of the engine. */
const FEW = 4;
const REMOVALS_AT_ONCE = 16;
/** So far in the past that they are swept before all else. */
const EXPIRED_AT_MS = 1;

/** Removes wrappings, by their records. Once it resolves they are gone. */
export async function removeWrappings(store: SessionStore, records: readonly SessionRecord[]): Promise<void> {
  if (store.sweep && records.length > FEW) {
    // Those that somebody else removed meanwhile are left out by their conflict.
    await store.commit(records.map(expiryCommit));
    let swept: string[];
    do swept = await store.sweep(EXPIRED_AT_MS, records.length);
    while (swept.length > 0);
    const left = await store.find(records.map(({ id }) => id));
    await removeEach(
      store,
      left.flatMap((record) => record?.id ?? []),
    );
  } else {
    await removeEach(
      store,
      records.map(({ id }) => id),
    );
  }
}

/** Removes the wrappings at these places; answers with how many there were. */
export async function removeEach(store: SessionStore, places: readonly string[]): Promise<number> {
  let count = 0;
  for (let from = 0; from < places.length; from += REMOVALS_AT_ONCE) {
    const some = places.slice(from, from + REMOVALS_AT_ONCE);
    const areRemoved = await Promise.all(some.map((place) => store.remove(place)));
    count += areRemoved.filter(Boolean).length;
  }
  return count;
}

function expiryCommit(record: SessionRecord): Commit {
  const seq = record.seq + 1;
  const entry: Entry = {
    seq,
    id: positionalId(seq),
    type: "expiry.set",
    at: Date.now(),
    commit: randomBytes(12).toString("base64url"),
    data: { expiresAt: EXPIRED_AT_MS },
  };
  return {
    sessionId: record.id,
    expectedVersion: record.version,
    entries: [entry],
    record: evolve(record, entry),
  };
}
