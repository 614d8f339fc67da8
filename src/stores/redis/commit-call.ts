/**
 * @module
 * Commits as arguments of the script that applies them.
 */
import type { SessionRecord } from "../../log/record.ts";
import { callerId, checkSize, encodeData, encodeRecord } from "../../store/codec.ts";
import type { Commit, StoreCapabilities } from "../../store/store.ts";
import { newToken } from "../token.ts";
import type { Engine, ScriptCall, Space } from "./engine.ts";
import { scriptOf, sessionKeyList } from "./engine.ts";
import { entryText } from "./entries.ts";
import { keptBy, timeArg, ttlOf } from "./inherited.ts";
import type { Place, SessionKeys } from "./keys.ts";
import { decodePlace, encodePlace, idPart, placeOf } from "./keys.ts";
import { NAME } from "./replies.ts";
import { COMMIT_SCRIPT } from "./scripts.ts";

const SCRIPT = scriptOf(COMMIT_SCRIPT);

/** A commit, checked and made text of. */
export interface Encoded {
  readonly commit: Commit;
  readonly session: SessionKeys;
  readonly place: Place;
  readonly placeText: string;
  readonly recordText: string;
  /** Text of each entry; before each its id or "" where one has an id of its caller's. */
  readonly entryArgs: readonly string[];
  /** Where the outcome stands in the answer. */
  readonly position: number;
}

/** The commits of one session, in order. */
export interface Group {
  readonly id: string;
  readonly session: SessionKeys;
  readonly commits: readonly Encoded[];
}

/** What one script call does. */
export interface Call extends ScriptCall {
  readonly groups: readonly Group[];
}

/**
 * @throws ENTRY_TOO_LARGE, INVALID_ARGUMENT
 */
export function encode(
  engine: Engine,
  { keys }: Space,
  commit: Commit,
  position: number,
  capabilities: StoreCapabilities,
): Encoded {
  const { sessionId, entries, record } = commit;
  const entryArgs: string[] = [];
  const hasIds = entries.some((entry) => callerId(entry) !== undefined);
  for (const entry of entries) {
    const data = encodeData(entry);
    checkSize(data, sessionId, NAME, capabilities);
    const id = callerId(entry);
    if (hasIds) entryArgs.push(id ?? "");
    entryArgs.push(entryText(entry, id, data));
  }
  const recordText = encodeRecord(record);
  const place = placeOf(record, newToken(), expiryOf(record.expiresAt, ttlOf(engine, record)));
  const session = keys.session(sessionId);
  return { commit, session, place, placeText: encodePlace(place), recordText, entryArgs, position };
}

function expiryOf(expiresAt: number | undefined, ttlMs: number | undefined): number | undefined {
  if (ttlMs === undefined) return expiresAt;
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, Date.now() + ttlMs);
}

/** One call for `groups`; in a Cluster they are of one session. */
export function callOf(engine: Engine, space: Space, groups: readonly Group[]): Call {
  const { isCluster } = engine.connection;
  const keys: string[] = [];
  const args: string[] = [];
  const firstKeys = new Map<string, number>();
  const firstOf = (session: SessionKeys): number => {
    const known = firstKeys.get(session.record);
    if (known !== undefined) return known;
    const first = keys.push(...sessionKeyList(session)) - 2;
    firstKeys.set(session.record, first);
    return first;
  };
  const indexes = createIndexNumbers(space, keys);
  for (const { id, session, commits } of groups) {
    args.push(`${firstOf(session)} ${commits.length} ${idPart(id)}`);
    let known = engine.places.get(session.record);
    for (const { commit, place, placeText, recordText, entryArgs } of commits) {
      const { expectedVersion, entries, record } = commit;
      const more = isCluster
        ? `-${endsOf(engine, record)}`
        : `${indexes.changes(place)}${rest(commit, place, known)}`;
      const ids = entryArgs.length > entries.length ? "i" : "";
      const line = `${expectedVersion} ${entries[0]?.seq ?? 0} ${entries.length}${ids} ${more}`;
      args.push(`${line}\n${placeText}\n${recordText}`, ...entryArgs);
      known = placeText;
    }
  }
  return { script: SCRIPT, groups, keys, args };

  /** What most commits don't have: an end, a creation, rows in other indexes than before, something to keep. */
  function rest({ expectedVersion, record }: Commit, place: Place, known: string | undefined): string {
    const isNew = expectedVersion === 0;
    const isWhereItWas = place.expires === undefined && (known?.endsWith(` - ${place.kind}`) ?? true);
    if (!isNew && isWhereItWas && record.kind !== "fork") return "";
    const old = isNew || known === undefined ? undefined : decodePlace(known);
    const ttlMs = ttlOf(engine, record);
    const kept = keptBy(record, old, ttlMs).map((id) => firstOf(space.keys.session(id)));
    const isMoved = old !== undefined && old.kind !== place.kind;
    const hasEnd = place.expires !== undefined || old?.expires !== undefined;
    if (!isNew && kept.length === 0 && !isMoved && !hasEnd) return "";
    const parts = [
      timeArg(record.expiresAt),
      timeArg(ttlMs),
      isNew ? indexes.creations(place) : "-",
      hasEnd ? indexes.expiries() : "-",
      isMoved ? indexes.changes(old) : "-",
      kept.join(",") || "-",
      isMoved ? old.kind : "",
    ];
    return ` ${parts.join(" ")}`;
  }
}

/** In a Cluster, where neither indexes nor other sessions are in the slot. */
function endsOf(engine: Engine, record: SessionRecord): string {
  const [expiresAt, ttlMs] = [timeArg(record.expiresAt), timeArg(ttlOf(engine, record))];
  return expiresAt === "-" && ttlMs === "-" ? "" : ` ${expiresAt} ${ttlMs} - - - - `;
}

/** Indexes by their numbers among `keys`, as the script is told of them. */
function createIndexNumbers({ keys: names }: Space, keys: string[]) {
  const numbers = new Map<string, number>();
  const lists = new Map<string, string>();
  const numberOf = (key: string): number => {
    const number = numbers.get(key) ?? keys.push(key);
    numbers.set(key, number);
    return number;
  };
  const listOf = (what: string, { kind }: Place, list: () => string[]): string => {
    const name = `${what} ${kind}`;
    const known = lists.get(name) ?? list().map(numberOf).join(",");
    lists.set(name, known);
    return known;
  };
  return {
    changes: (place: Place) => listOf("changes", place, () => names.changesOf(place.kind)),
    creations: (place: Place) => listOf("creations", place, () => names.creationsOf(place.kind)),
    expiries: () => String(numberOf(names.expiries)),
  };
}
