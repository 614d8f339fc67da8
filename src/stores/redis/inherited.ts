/**
 * @module
 * Sessions that others inherit from: Redis must not drop them before the last of those, whose history would be gone.
 *
 * A commit of a fork keeps what it inherits from, and its parent, at least as long as itself: on one server in the same
 * step; in a Cluster before it, and a while longer, as each node has a clock of its own.
 */
import type { SessionRecord } from "../../log/record.ts";
import type { StoreQuery } from "../../store/store.ts";
import type { Engine, ScriptCall, Space } from "./engine.ts";
import { ask, command, scriptOf, sessionKeyList } from "./engine.ts";
import { heldIn } from "./held.ts";
import type { Place } from "./keys.ts";
import { timeKey } from "./keys.ts";
import { walk } from "./lists.ts";
import { toText } from "./replies.ts";
import { KEEP_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(KEEP_SCRIPT);
/** How far the clocks of a Cluster's nodes may be apart. */
const CLOCKS_MS = 60_000;

/**
 * How long a session is kept after this commit. One that is under a legal hold stays, by `ttlMs` of the store too, until
 * the hold has ended and somebody writes to it.
 */
export function ttlOf({ ttlMs }: Pick<Engine, "ttlMs">, { hold }: SessionRecord): number | undefined {
  if (ttlMs === undefined || hold === undefined) return ttlMs;
  return hold.until === undefined || hold.until > Date.now() ? undefined : ttlMs;
}

/** The sessions that a commit keeps. None where one before it has kept them as long already. */
export function keptBy(
  { id, kind, parentId, lineage, expiresAt }: SessionRecord,
  before: Place | undefined,
  ttlMs: number | undefined,
): string[] {
  if (kind !== "fork") return [];
  const expires = expiresAt === undefined ? undefined : timeKey(expiresAt);
  if (ttlMs === undefined && before && before.expires === expires) return [];
  const parts = lineage.flatMap((part) => (part.erased ? [] : [part.id]));
  const sources = new Set(parentId === undefined ? parts : [...parts, parentId]);
  sources.delete(id);
  return [...sources];
}

/** Keeps sessions for one with this record, in a step of its own. */
export function keepCalls(
  engine: Engine,
  { keys }: Space,
  record: SessionRecord,
  ids: readonly string[],
  isNew: boolean,
): ScriptCall[] {
  const { expiresAt } = record;
  const ttlMs = ttlOf(engine, record);
  const args = [timeArg(expiresAt), timeArg(ttlMs), String(CLOCKS_MS), isNew ? "1" : ""];
  return ids.map((id) => ({ script: SCRIPT, keys: sessionKeyList(keys.session(id)), args }));
}

/** A time or a duration as the scripts take it. */
export function timeArg(ms: number | undefined): string {
  return ms === undefined ? "-" : String(Math.ceil(ms));
}

/**
 * How many sessions have begun to inherit from one, where it may be removed now that its own time is over; `undefined`
 * where it is to stay for them.
 */
export async function heirsOf(
  engine: Engine,
  space: Space,
  id: string,
  nowMs: number,
): Promise<string | undefined> {
  const { record } = space.keys.session(id);
  const held = heldIn(toText(await ask(engine.connection, command("GET", record), id)), id);
  const { heirs = "0", kept = "-" } = held ?? {};
  if (heirs === "0") return heirs;
  if (kept !== "inf") return Number(kept) > nowMs ? undefined : heirs;
  const query = { parentId: id, kind: "fork", order: "created", limit: 1 } as const;
  const queries: readonly StoreQuery[] = [query, { ...query, status: "deleted" }];
  for (const one of queries) for await (const _heir of walk(engine, space, one)) return undefined;
  return heirs;
}
