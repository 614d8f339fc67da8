/**
 * @module
 * Commits: one call of one script for each session of a batch, all sent at once.
 *
 * On one server the script changes the indexes in the same step. In a Cluster they are in other slots: rows are added
 * before the script runs and the former ones are taken out after it, so that a crash between leaves rows too many, which
 * every list checks against the record, and never one too few.
 */
import { HoldfastError } from "../../log/errors.ts";
import { callerId, checkSize, decodeRecord, encodeData, encodeRecord } from "../../store/codec.ts";
import type { Commit, CommitOutcome, StoreCapabilities } from "../../store/store.ts";
import type { Reply } from "./client.ts";
import { replyValue } from "./client.ts";
import type { Engine, ScriptCall, Space } from "./engine.ts";
import { ask, command, dropRows, newToken, runScripts, scriptOf, sessionKeyList } from "./engine.ts";
import { toHoldfastError } from "./errors.ts";
import type { Former } from "./former.ts";
import { dropFormer, formerMember } from "./former.ts";
import { keepCalls, keptBy, ttlOf } from "./inherited.ts";
import type { Place, Row, SessionKeys } from "./keys.ts";
import { decodePlace, encodePlace, placeOf } from "./keys.ts";
import type { Written } from "./replicas.ts";
import { NAME, toList, toText } from "./replies.ts";
import { COMMIT_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(COMMIT_SCRIPT);

/** A commit, checked and made text of. */
interface Encoded {
  readonly commit: Commit;
  readonly recordText: string;
  /** Id or "", header and data of each entry. */
  readonly entryArgs: readonly string[];
  readonly place: Place;
  readonly placeText: string;
  /** Where the outcome stands in the answer. */
  readonly position: number;
}

/** What one script call does: the commits of one session, in order. */
interface Call extends ScriptCall {
  readonly id: string;
  readonly commits: readonly Encoded[];
}

/**
 * @throws ENTRY_TOO_LARGE, INVALID_ARGUMENT before anything is written. STORE_UNAVAILABLE where it is not known what took
 *   place.
 */
export async function applyCommits(
  engine: Engine,
  space: Space,
  commits: readonly Commit[],
  capabilities: StoreCapabilities,
): Promise<CommitOutcome[]> {
  const encoded = commits.map((commit, position) => encode(engine, commit, position, capabilities));
  const bySession = Map.groupBy(encoded, ({ commit }) => commit.sessionId);
  const calls = [...bySession].map(([id, list]) => callOf(engine, space, id, list));
  const send = async (): Promise<Reply[]> => {
    if (engine.connection.isCluster)
      await Promise.all([addRows(engine, space, encoded), keepInherited(engine, space, encoded)]);
    const sent = await runScripts(engine.connection, calls);
    // What became of one that got no answer is in doubt as well.
    if (engine.replicas) for (const [index, { id }] of calls.entries()) replyValue(sent[index], id);
    return sent;
  };
  const { replicas } = engine;
  const replies = await (replicas ? replicas.confirm(writtenBy(engine, space, calls), send) : send());
  const outcomes = new Array<CommitOutcome>(commits.length);
  const former: Former[] = [];
  const inVain: Row[] = [];
  const failures: unknown[] = [];
  for (const [index, { id, commits: sent }] of calls.entries()) {
    const key = space.keys.session(id).record;
    try {
      const results = toList(replyValue(replies[index], id)).map(toList);
      for (const [at, item] of sent.entries()) {
        const result = (results[at] ?? []).map(toText);
        const outcome = outcomeOf(result, id);
        outcomes[item.position] = outcome;
        if (outcome.status === "committed") {
          engine.places.set(key, { place: item.placeText });
          if (result[1]) former.push({ id, placeText: result[1] });
        } else {
          engine.places.delete(key);
          if (engine.connection.isCluster) inVain.push(...(await rowsInVain(engine, space, item)));
        }
      }
    } catch (error) {
      engine.places.delete(key);
      failures.push(error);
    }
  }
  await dropRows(engine, inVain);
  await dropFormer(engine, space, former);
  if (failures.length > 0) throw toHoldfastError(failures[0]);
  return outcomes;
}

/** What calls write, for waiting for replicas: also a refusal is told only once they have what it stands on. */
function writtenBy({ connection }: Engine, { keys }: Space, calls: readonly Call[]): Written[] {
  return calls.map(({ id, commits }) => {
    const rows = connection.isCluster
      ? commits.flatMap(({ place }) => [...keys.rowsOfCommit(id, place), ...keys.rowsOfLife(id, place)])
      : [];
    return { sessionId: id, keys: [keys.session(id).record, ...rows.map(({ key }) => key)] };
  });
}

function encode(engine: Engine, commit: Commit, position: number, capabilities: StoreCapabilities): Encoded {
  const { sessionId, entries, record } = commit;
  const entryArgs = entries.flatMap((entry) => {
    const data = encodeData(entry);
    checkSize(data, sessionId, NAME, capabilities);
    const id = callerId(entry);
    const header = [entry.type, entry.at, id ?? null, entry.text ?? null, entry.commit ?? null];
    return [id ?? "", JSON.stringify(header), data];
  });
  const recordText = encodeRecord(record);
  const expiresAt = expiryOf(record.expiresAt, ttlOf(engine, record));
  const place = placeOf(record, newToken(), expiresAt);
  return { commit, recordText, entryArgs, place, placeText: encodePlace(place), position };
}

function expiryOf(expiresAt: number | undefined, ttlMs: number | undefined): number | undefined {
  if (ttlMs === undefined) return expiresAt;
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, Date.now() + ttlMs);
}

function callOf(engine: Engine, space: Space, id: string, commits: readonly Encoded[]): Call {
  const session = space.keys.session(id);
  const keys = sessionKeyList(session);
  const numbers = new Map<string, string>();
  const keyNumber = (key: string): string => {
    const number = numbers.get(key) ?? String(keys.push(key));
    numbers.set(key, number);
    return number;
  };
  const rowArgs = (rows: readonly Row[]): string[] => [
    String(rows.length),
    ...rows.flatMap(({ key, member }) => [keyNumber(key), member]),
  ];
  const firstKeyOf = (kept: SessionKeys): string => {
    const number = numbers.get(kept.record) ?? String(keys.length + 1);
    if (!numbers.has(kept.record)) keys.push(...sessionKeyList(kept));
    numbers.set(kept.record, number);
    return number;
  };
  const { isCluster } = engine.connection;
  let known = engine.places.get(session.record)?.place ?? "";
  const args = commits.flatMap((item) => {
    const { commit, recordText, placeText, entryArgs } = item;
    const { record, entries, expectedVersion } = commit;
    const old = decodePlace(known);
    const ttlMs = ttlOf(engine, record);
    const kept = isCluster ? [] : keptBy(record, expectedVersion === 0 ? undefined : old, ttlMs);
    const head = [
      String(expectedVersion),
      String(record.createdAt),
      String(record.version),
      recordText,
      placeText,
      known,
      record.expiresAt === undefined ? "" : String(Math.ceil(record.expiresAt)),
      ttlMs === undefined ? "" : String(ttlMs),
      ...rowArgs(isCluster ? [] : rowsToAdd(space, item)),
      ...rowArgs(isCluster || !old ? [] : space.keys.rowsOfCommit(id, old)),
      String(kept.length),
      ...kept.map((one) => firstKeyOf(space.keys.session(one))),
      ...(isCluster ? ["", ""] : [keyNumber(space.keys.former), formerMember(id, "")]),
      String(entries[0]?.seq ?? 0),
      String(entries.length),
    ];
    known = placeText;
    return [...head, ...entryArgs];
  });
  return { script: SCRIPT, id, commits, keys, args };
}

function rowsToAdd({ keys }: Space, { commit, place }: Encoded): Row[] {
  const rows = keys.rowsOfCommit(commit.sessionId, place);
  return commit.expectedVersion === 0 ? [...rows, ...keys.rowsOfLife(commit.sessionId, place)] : rows;
}

async function addRows({ connection }: Engine, space: Space, encoded: readonly Encoded[]): Promise<void> {
  const rows = encoded.flatMap((item) => rowsToAdd(space, item));
  const replies = await connection.send(rows.map(({ key, member }) => command("ZADD", key, "0", member)));
  for (const reply of replies) replyValue(reply);
}

async function keepInherited(engine: Engine, space: Space, encoded: readonly Encoded[]): Promise<void> {
  const calls = encoded.flatMap(({ commit: { sessionId, expectedVersion, record } }) => {
    const isNew = expectedVersion === 0;
    const known = isNew ? undefined : engine.places.get(space.keys.session(sessionId).record);
    const ids = keptBy(record, known && decodePlace(known.place), ttlOf(engine, record));
    return keepCalls(engine, space, record, ids, isNew);
  });
  for (const reply of await runScripts(engine.connection, calls)) replyValue(reply);
}

/** Rows that were added for a commit that did not take place. That of a creation may also be another creation's. */
async function rowsInVain(engine: Engine, space: Space, { commit, place }: Encoded): Promise<Row[]> {
  const { sessionId, expectedVersion } = commit;
  const rows = space.keys.rowsOfCommit(sessionId, place);
  if (expectedVersion !== 0) return rows;
  const held = await ask(engine.connection, command("HGET", space.keys.session(sessionId).record, "p"));
  const current = decodePlace(toText(held));
  const kept = new Set(
    current ? space.keys.rowsOfLife(sessionId, current).map(({ key, member }) => `${key} ${member}`) : [],
  );
  const ofLife = space.keys.rowsOfLife(sessionId, place);
  return [...rows, ...ofLife.filter(({ key, member }) => !kept.has(`${key} ${member}`))];
}

function outcomeOf([status, first = "", second = ""]: readonly string[], id: string): CommitOutcome {
  if (status === "ok") return { status: "committed" };
  if (status === "duplicate") return { status: "duplicate", entryId: first, seq: Number(second) };
  if (status === "torn") {
    throw new HoldfastError(
      "STORE_CORRUPT",
      `the log of session ${JSON.stringify(id)} is gone and its record is not, so Redis evicted it or another program removed it; nothing was changed: set maxmemory-policy noeviction, and remove the session or restore a backup`,
      { sessionId: id, store: NAME },
    );
  }
  if (first === "") return { status: "conflict" };
  return { status: "conflict", current: decodeRecord(first, id, NAME) };
}
