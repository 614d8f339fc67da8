/**
 * @module
 * The fold: entries → record. Pure and deterministic, so that a record can always be computed again from its log.
 */
import type { Entry, EntryData, KnownEntry } from "./entry.ts";
import { isKnown } from "./entry.ts";
import { HoldfastError, messageOf } from "./errors.ts";
import type { Conversation, RouteHistoryItem, SessionRecord, Usage } from "./record.ts";
import { EMPTY_CONVERSATION, isHeld, NO_USAGE, ROUTE_HISTORY_LIMIT } from "./record.ts";

/**
 * The record after `entry`. Never changes `record`. An entry of a type that is not known here counts as an entry and
 * changes nothing else.
 *
 * @throws STORE_CORRUPT where `record` is undefined and `entry` is not `session.created`, or where `entry` does not hold
 *   what its type says.
 */
export function evolve(record: SessionRecord | undefined, entry: Entry): SessionRecord {
  const known = isKnown(entry) ? entry : undefined;
  try {
    if (record === undefined) {
      if (known?.type === "session.created") return created(known.data, entry);
      throw new HoldfastError(
        "STORE_CORRUPT",
        `a log begins with ${JSON.stringify(entry.type)} at position ${entry.seq} where session.created must stand`,
      );
    }
    const next: Mutable<SessionRecord> = {
      ...record,
      seq: entry.seq,
      version: record.version + (entry.commit === undefined ? 0 : 1),
      updatedAt: Math.max(record.updatedAt, entry.at),
    };
    if (known) apply(next, known);
    return next;
  } catch (error) {
    if (HoldfastError.is(error)) throw error;
    const of = record === undefined ? "" : ` of session ${JSON.stringify(record.id)}`;
    throw new HoldfastError(
      "STORE_CORRUPT",
      `entry ${entry.seq}${of} does not hold what its type ${JSON.stringify(entry.type)} says: ${messageOf(error)}`,
      { sessionId: record?.id, cause: error },
    );
  }
}

/** The record after all of `entries`. */
export function evolveAll(
  record: SessionRecord | undefined,
  entries: Iterable<Entry>,
): SessionRecord | undefined {
  let result = record;
  for (const entry of entries) result = evolve(result, entry);
  return result;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function created(data: EntryData["session.created"], entry: Entry): SessionRecord {
  const { base = EMPTY_CONVERSATION, lineage = [], metadata = {}, ...rest } = data;
  return {
    ...rest,
    ...base,
    version: 1,
    seq: entry.seq,
    lineage,
    status: "active",
    usage: NO_USAGE,
    metadata,
    createdAt: entry.at,
    updatedAt: entry.at,
  };
}

function apply(record: Mutable<SessionRecord>, entry: KnownEntry): void {
  switch (entry.type) {
    case "session.created":
      beginAnew(record, entry.data, entry);
      return;
    case "message":
      record.messageCount += 1;
      record.lastMessageAt = entry.at;
      return;
    case "message.revised":
      record.revisedUpTo = entry.seq;
      return;
    case "message.removed":
      record.messageCount -= 1;
      record.revisedUpTo = entry.seq;
      return;
    case "messages.cleared":
      record.messageCount -= entry.data.count;
      delete record.compactedUpTo;
      record.revisedUpTo = entry.seq;
      return;
    case "history.rewound":
      restore(record, entry.data.restored);
      record.revisedUpTo = entry.seq;
      return;
    case "history.compacted":
      record.compactedUpTo = entry.data.upTo;
      return;
    case "data.patched":
      record.data = { ...record.data, ...entry.data.patch };
      if (entry.data.route !== undefined) {
        record.dataByRoute = withKey(record.dataByRoute, entry.data.route, {
          ...ownValue(record.dataByRoute, entry.data.route),
          ...entry.data.patch,
        });
      }
      return;
    case "data.replaced":
      record.data = entry.data.data;
      if (entry.data.dataVersion !== undefined) record.dataVersion = entry.data.dataVersion;
      return;
    case "data.cleared":
      record.data = {};
      record.dataByRoute = {};
      return;
    case "route.entered":
      record.route = entry.data.route;
      if (entry.data.step) record.step = entry.data.step;
      else delete record.step;
      record.routeHistory = [...record.routeHistory, historyItem(entry.data.route, entry.at)].slice(
        -ROUTE_HISTORY_LIMIT,
      );
      return;
    case "step.entered":
      record.step = entry.data.step;
      return;
    case "route.completed":
      completeRoute(record, entry.data.routeId, entry.at);
      return;
    case "metadata.patched":
      record.metadata = { ...record.metadata, ...entry.data.patch };
      return;
    case "label.set":
      record.label = entry.data.label;
      return;
    case "status.set":
      record.status = entry.data.status;
      if (entry.data.status === "active") delete record.completedAt;
      else record.completedAt = entry.at;
      return;
    case "expiry.set":
      setExpiry(record, entry.data.expiresAt);
      return;
    case "hold.set": {
      const { hold } = record;
      const since = hold && isHeld(record, entry.at) ? hold.since : entry.at;
      record.hold = { ...entry.data, since };
      setExpiry(record, hold ? hold.expiresAt : record.expiresAt);
      return;
    }
    case "hold.released": {
      const { hold } = record;
      delete record.hold;
      if (hold) setExpiry(record, hold.expiresAt);
      return;
    }
    case "state.set":
      record.state =
        entry.data.value === undefined
          ? withoutKey(record.state, entry.data.slot)
          : withKey(record.state, entry.data.slot, entry.data.value);
      return;
    case "usage.added":
      record.usage = addUsage(record.usage, entry.data.usage);
      return;
    case "turn.started":
      record.turn = {
        id: entry.data.turnId,
        owner: entry.data.owner,
        until: entry.data.until,
        startedAt: entry.at,
        seq: entry.seq,
      };
      return;
    case "turn.extended":
      if (record.turn) record.turn = { ...record.turn, owner: entry.data.owner, until: entry.data.until };
      return;
    case "turn.ended":
      delete record.turn;
      return;
    case "session.deleted":
      record.status = "deleted";
      return;
    case "lineage.erased":
      record.lineage = record.lineage.map((part) =>
        part.id === entry.data.id ? { ...part, erased: true } : part,
      );
      record.messageCount -= entry.data.count;
      // It counts as a fork of the nearest that is left, so that this one knows of its heir.
      if (record.parentId === entry.data.id) {
        record.parentId = record.lineage.findLast((part) => !part.erased)?.id ?? record.parentId;
      }
      return;
    default:
      return;
  }
}

/** A hold moves the time on to its own end, or away where it has none, so that no engine drops what is held. */
function setExpiry(record: Mutable<SessionRecord>, expiresAt: number | undefined): void {
  const { hold } = record;
  delete record.expiresAt;
  if (hold) {
    const { expiresAt: _before, ...rest } = hold;
    record.hold = { ...rest, ...(expiresAt !== undefined && { expiresAt }) };
  }
  const until = hold ? hold.until : 0;
  if (expiresAt !== undefined && until !== undefined) record.expiresAt = Math.max(expiresAt, until);
}

/** A fork and what it inherits in one log, as an import makes it: from here on holds what the fork began with. */
function beginAnew(record: Mutable<SessionRecord>, data: EntryData["session.created"], entry: Entry): void {
  const { id, namespace, kind, parentId, version, lineage, createdAt, updatedAt } = record;
  const own = {
    id,
    namespace,
    kind,
    version,
    lineage,
    createdAt,
    updatedAt,
    ...(parentId !== undefined && { parentId }),
  };
  for (const key of Object.keys(record)) Reflect.deleteProperty(record, key);
  const { parentId: _parentId, ...begun } = created(data, entry);
  Object.assign(record, begun, own);
}

function restore(record: Mutable<SessionRecord>, conversation: Conversation): void {
  delete record.lastMessageAt;
  delete record.route;
  delete record.step;
  delete record.compactedUpTo;
  Object.assign(record, conversation);
}

function historyItem(route: { id: string; title?: string }, enteredAt: number): RouteHistoryItem {
  return { route: route.id, ...(route.title !== undefined && { title: route.title }), enteredAt };
}

function completeRoute(record: Mutable<SessionRecord>, routeId: string, at: number): void {
  const index = record.routeHistory.findLastIndex(
    (item) => item.route === routeId && item.completedAt === undefined,
  );
  record.routeHistory = record.routeHistory.map((item, position) =>
    position === index ? { ...item, completedAt: at } : item,
  );
  if (record.route?.id === routeId) {
    delete record.route;
    delete record.step;
  }
}

/** The sum of two usages. Optional counts appear once either side has them. */
export function addUsage(usage: Usage, more: Partial<Usage>): Usage {
  const sum = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
  const optional = {
    cachedInputTokens: sum(usage.cachedInputTokens, more.cachedInputTokens),
    reasoningTokens: sum(usage.reasoningTokens, more.reasoningTokens),
    costUsd: sum(usage.costUsd, more.costUsd),
  };
  const inputTokens = more.inputTokens ?? 0;
  const outputTokens = more.outputTokens ?? 0;
  return {
    inputTokens: usage.inputTokens + inputTokens,
    outputTokens: usage.outputTokens + outputTokens,
    totalTokens: usage.totalTokens + (more.totalTokens ?? inputTokens + outputTokens),
    ...(optional.cachedInputTokens !== undefined && { cachedInputTokens: optional.cachedInputTokens }),
    ...(optional.reasoningTokens !== undefined && { reasoningTokens: optional.reasoningTokens }),
    ...(optional.costUsd !== undefined && { costUsd: optional.costUsd }),
  };
}

type Dictionary<T> = Readonly<Record<string, T>>;

/** `object[key]` where it is the object's own; a key may be `__proto__`. */
function ownValue<T>(object: Dictionary<T>, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function withKey<T>(object: Dictionary<T>, key: string, value: T): Dictionary<T> {
  return { ...object, [key]: value };
}

function withoutKey<T>(object: Dictionary<T>, key: string): Dictionary<T> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}
