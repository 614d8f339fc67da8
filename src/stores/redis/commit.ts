/**
 * @module
 * Commits: on one server a batch is one call of one script, or a few where it is large; in a Cluster it is one call for
 * each session, all sent at once.
 *
 * On one server the script changes the indexes in the same step. In a Cluster they are in other slots: rows are added
 * before the script runs and the former ones are taken out after it, so that a crash between leaves rows too many, which
 * every list checks against the record, and never one too few.
 */
import { HoldfastError } from "../../log/errors.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { Commit, CommitOutcome, StoreCapabilities } from "../../store/store.ts";
import type { Reply } from "./client.ts";
import { replyValue } from "./client.ts";
import type { Call, Encoded, Group } from "./commit-call.ts";
import { callOf, encode } from "./commit-call.ts";
import type { Engine, Space } from "./engine.ts";
import { ask, command, dropRows, runScripts } from "./engine.ts";
import { toHoldfastError } from "./errors.ts";
import { damaged, heldIn } from "./held.ts";
import { keepCalls, keptBy, ttlOf } from "./inherited.ts";
import type { Row } from "./keys.ts";
import { decodePlace } from "./keys.ts";
import type { Written } from "./replicas.ts";
import { NAME, toText } from "./replies.ts";

/**
 * Sessions that one call is for, and characters of what is written, where that is more than one session's: Redis does
 * nothing else meanwhile, and takes a request of 1 GB at most.
 */
const SESSIONS_AT_ONCE = 64;
const CHARACTERS_AT_ONCE = 4 * 1024 * 1024;

/** What became of one commit: the words of the script's answer, or why there was none. */
interface Told {
  readonly item: Encoded;
  readonly words: readonly string[];
  readonly failure?: unknown;
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
  const encoded = commits.map((commit, position) => encode(engine, space, commit, position, capabilities));
  const bySession = Map.groupBy(encoded, ({ commit }) => commit.sessionId);
  const groups = [...bySession].flatMap(([id, items]): Group[] =>
    items[0] ? [{ id, session: items[0].session, commits: items }] : [],
  );
  const send = async (): Promise<Told[]> => {
    if (engine.connection.isCluster)
      await Promise.all([addRows(engine, space, encoded), keepInherited(engine, space, encoded)]);
    const told = await sendGroups(engine, space, groups);
    // What became of one that got no answer is in doubt as well.
    if (engine.replicas) for (const { failure } of told) if (failure !== undefined) throw failure;
    return told;
  };
  const { replicas } = engine;
  const told = await (replicas ? replicas.confirm(writtenBy(engine, space, groups), send) : send());
  const outcomes = new Array<CommitOutcome>(commits.length);
  const failures: unknown[] = [];
  const dropped: Row[] = [];
  for (const { item, words, failure } of told) {
    const { sessionId } = item.commit;
    const { record } = item.session;
    try {
      if (failure !== undefined) throw failure;
      const outcome = outcomeOf(words, sessionId);
      outcomes[item.position] = outcome;
      if (outcome.status === "committed") {
        engine.places.set(record, item.placeText);
        const former = words[1] === undefined ? undefined : decodePlace(words[1]);
        if (former) dropped.push(...space.keys.rowsOfCommit(sessionId, former));
      } else {
        engine.places.delete(record);
        if (engine.connection.isCluster) dropped.push(...(await rowsInVain(engine, space, item)));
      }
    } catch (error) {
      engine.places.delete(record);
      failures.push(error);
    }
  }
  if (dropped.length > 0) await dropRows(engine, dropped);
  if (failures.length > 0) throw toHoldfastError(failures[0]);
  return outcomes;
}

/**
 * Sends all, and once more what was told that its rows are elsewhere: another process had made the last commit. Where
 * that one goes on, the next answer is a conflict.
 */
async function sendGroups(engine: Engine, space: Space, groups: readonly Group[]): Promise<Told[]> {
  const calls: Call[] = [];
  const sent: Promise<Reply[]>[] = [];
  for (const together of split(groups, engine.connection.isCluster ? 1 : SESSIONS_AT_ONCE)) {
    const call = callOf(engine, space, together);
    calls.push(call);
    // The server is at work on one while the next one is made.
    sent.push(runScripts(engine.connection, [call]));
  }
  const replies = (await Promise.all(sent)).flat();
  const told: Told[] = [];
  const moved: Group[] = [];
  for (const [index, call] of calls.entries()) {
    const { failure, all, list } = resultsOf(() => replyValue(replies[index], call.groups[0]?.id));
    let at = 0;
    for (const { id, session, commits } of call.groups) {
      const left: Encoded[] = [];
      for (const item of commits) {
        const words = all ?? wordsOf(list[at]);
        at += 1;
        const isMoved = words[0] === "moved" && decodePlace(words[1] ?? "") !== undefined;
        if (isMoved) engine.places.set(session.record, words[1] ?? "");
        if (isMoved || (words[0] === "later" && left.length > 0)) left.push(item);
        else told.push({ item, words, failure });
      }
      if (left.length > 0) moved.push({ id, session, commits: left });
    }
  }
  return moved.length === 0 ? told : [...told, ...(await sendGroups(engine, space, moved))];
}

/** The groups in order, so many in one call at most, and no more than it may carry. */
function split(groups: readonly Group[], most: number): Group[][] {
  const calls: Group[][] = [];
  let characters = 0;
  for (const group of groups) {
    const length = lengthOf(group);
    const last = calls.at(-1);
    characters += length;
    if (last && last.length < most && characters <= CHARACTERS_AT_ONCE) last.push(group);
    else {
      calls.push([group]);
      characters = length;
    }
  }
  return calls;
}

function lengthOf({ commits }: Group): number {
  let length = 0;
  for (const { recordText, entryArgs } of commits) {
    length += recordText.length;
    for (const text of entryArgs) length += text.length;
  }
  return length;
}

interface Results {
  /** What is said of all alike. */
  readonly all?: readonly string[];
  readonly list: readonly unknown[];
  readonly failure?: unknown;
}

function resultsOf(ask: () => unknown): Results {
  try {
    const reply = ask();
    return Array.isArray(reply) ? { list: reply } : { all: wordsOf(reply), list: [] };
  } catch (failure) {
    return { list: [], failure };
  }
}

function wordsOf(result: unknown): string[] {
  return Array.isArray(result) ? result.map(toText) : [toText(result)];
}

/** What calls write, for waiting for replicas: also a refusal is told only once they have what it stands on. */
function writtenBy({ connection }: Engine, { keys }: Space, groups: readonly Group[]): Written[] {
  return groups.map(({ id, session, commits }) => {
    const rows = connection.isCluster
      ? commits.flatMap(({ place }) => [...keys.rowsOfCommit(id, place), ...keys.rowsOfLife(id, place)])
      : [];
    return { sessionId: id, keys: [session.record, ...rows.map(({ key }) => key)] };
  });
}

async function addRows({ connection }: Engine, { keys }: Space, encoded: readonly Encoded[]): Promise<void> {
  const rows = encoded.flatMap(({ commit: { sessionId, expectedVersion }, place }) => [
    ...keys.rowsOfCommit(sessionId, place),
    ...(expectedVersion === 0 ? keys.rowsOfLife(sessionId, place) : []),
  ]);
  const replies = await connection.send(rows.map(({ key, member }) => command("ZADD", key, "0", member)));
  for (const reply of replies) replyValue(reply);
}

async function keepInherited(engine: Engine, space: Space, encoded: readonly Encoded[]): Promise<void> {
  const calls = encoded.flatMap(({ commit: { expectedVersion, record }, session }) => {
    const isNew = expectedVersion === 0;
    const known = isNew ? undefined : engine.places.get(session.record);
    const ids = keptBy(record, known === undefined ? undefined : decodePlace(known), ttlOf(engine, record));
    return keepCalls(engine, space, record, ids, isNew);
  });
  for (const reply of await runScripts(engine.connection, calls)) replyValue(reply);
}

/** Rows that were added for a commit that did not take place. That of a creation may also be another creation's. */
async function rowsInVain(engine: Engine, space: Space, { commit, session, place }: Encoded): Promise<Row[]> {
  const { sessionId, expectedVersion } = commit;
  const rows = space.keys.rowsOfCommit(sessionId, place);
  if (expectedVersion !== 0) return rows;
  const value = await ask(engine.connection, command("GET", session.record));
  const current = decodePlace(heldIn(toText(value), sessionId)?.place ?? "");
  const kept = new Set(
    current ? space.keys.rowsOfLife(sessionId, current).map(({ key, member }) => `${key} ${member}`) : [],
  );
  const ofLife = space.keys.rowsOfLife(sessionId, place);
  return [...rows, ...ofLife.filter(({ key, member }) => !kept.has(`${key} ${member}`))];
}

function outcomeOf([status, first = "", second = ""]: readonly string[], id: string): CommitOutcome {
  if (status === "ok") return { status: "committed" };
  if (status === "duplicate") return { status: "duplicate", entryId: first, seq: Number(second) };
  if (status === "failed" || status === "later") throw toHoldfastError(new Error(first), id);
  if (status === "damaged" || status === "moved") throw damaged(id);
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
