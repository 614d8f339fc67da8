/**
 * @module
 * What all parts of the store work with: one engine for all namespaces, one space for each.
 */
import { createHash } from "node:crypto";
import type { Connection, RedisCommand, Reply } from "./client.ts";
import { isUnknownScript, replyValue } from "./client.ts";
import type { Keys, Place, Row, SessionKeys } from "./keys.ts";
import type { Readers } from "./readers.ts";
import type { Replicas } from "./replicas.ts";

/** One namespace. */
export interface Space {
  readonly path: string;
  readonly keys: Keys;
}

export interface Engine {
  readonly connection: Connection;
  readonly ttlMs: number | undefined;
  readonly places: Places;
  readonly readers: Readers;
  /** Where commits wait for replicas. */
  readonly replicas: Replicas | undefined;
  /** For each namespace when rows of dropped sessions are looked for again, and from where on. */
  readonly tidying: Map<string, { readonly dueAt: number; readonly lowest: string }>;
}

/** A script and its digest. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/**
 * Runs scripts, sent all at once; one reply each. Where a server does not know one (it was restarted, or its scripts
 * were flushed), nothing of it has run, and it is sent again with its text.
 */
export async function runScripts(connection: Connection, calls: readonly ScriptCall[]): Promise<Reply[]> {
  const send = (chosen: readonly ScriptCall[], name: "EVALSHA" | "EVAL"): Promise<Reply[]> =>
    connection.send(
      chosen.map(({ script, keys, args }): RedisCommand => {
        const what = name === "EVAL" ? script.text : script.sha;
        return { name, args: [what, String(keys.length), ...keys, ...args], ...firstKey(keys) };
      }),
    );
  const replies = await send(calls, "EVALSHA");
  const unknown = calls.filter((_, index) => isUnknownScript(replies[index]));
  if (unknown.length === 0) return replies;
  const repeated = await send(unknown, "EVAL");
  return replies.map((reply) => (isUnknownScript(reply) ? (repeated.shift() ?? reply) : reply));
}

function firstKey([key]: readonly string[]): { key?: string } {
  return key === undefined ? {} : { key };
}

/** One command for one key. */
export function command(name: string, key: string, ...args: readonly string[]): RedisCommand {
  return { name, key, args: [key, ...args] };
}

/** One command, its value. Throws its failure as a HoldfastError. */
export async function ask(connection: Connection, one: RedisCommand, sessionId?: string): Promise<unknown> {
  const [reply] = await connection.send([one]);
  return replyValue(reply, sessionId);
}

/**
 * Takes rows out of their indexes. A failure is no harm and is not reported: a row that no record confirms is skipped
 * by every list, and taken out by a later one.
 */
export async function dropRows({ connection }: Engine, rows: readonly Row[]): Promise<void> {
  if (rows.length > 0) await connection.send(rows.map(({ key, member }) => command("ZREM", key, member)));
}

export function sessionKeyList({ record, entries, ids }: SessionKeys): string[] {
  return [record, entries, ids];
}

/**
 * Where the rows of sessions were put lately, as text, by record key. May be out of date; a commit that goes by it then is
 * told so, and takes another round trip.
 */
export interface Places {
  get(key: string): string | undefined;
  set(key: string, place: string): void;
  delete(key: string): void;
}

/** About 1 MB. */
const MAX_PLACES = 4096;

export function createPlaces(): Places {
  const places = new Map<string, string>();
  return {
    get: (key) => places.get(key),
    set(key, place) {
      places.set(key, place);
      if (places.size <= MAX_PLACES) return;
      const [oldest] = places.keys();
      if (oldest !== undefined) places.delete(oldest);
    },
    delete(key) {
      places.delete(key);
    },
  };
}

/** No attempt lasts as long: after that, what it left is of a crash. */
const ATTEMPT_MS = 3_600_000;

/**
 * Whether a row that no record confirms may be taken out. On one server rows and record change in one step, so it may;
 * in a Cluster its commit may be about to follow.
 */
export function isDead({ connection }: Engine, token: string): boolean {
  if (!connection.isCluster) return true;
  const attemptedAt = Number.parseInt(token.split(".")[0] ?? "", 36);
  return attemptedAt < Date.now() - ATTEMPT_MS;
}

/** All rows of a session that was last seen at `place`. */
export function allRows({ keys }: Space, id: string, place: Place | undefined): Row[] {
  return place ? [...keys.rowsOfCommit(id, place), ...keys.rowsOfLife(id, place)] : [];
}
