/**
 * @module
 * Which parts of entries and records hold what users gave, and so may be large. All else, ids, labels, positions, is what
 * stores look for and what records are folded by: it stays as it is.
 *
 * Entries and records are changed alike, so that the fold of changed entries is the changed record: a store that folds
 * records from their log anew gets the same.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";

/** Answers with the same value where there is nothing to change. */
export type Change = (value: unknown) => unknown;

/** Entries that no record is folded of but for positions: what they hold is changed, whatever it is called. */
const OPEN_TYPES: ReadonlySet<string> = new Set([
  "message",
  "message.revised",
  "history.compacted",
  "checkpoint.created",
]);
const KEPT_IN_OPEN: ReadonlySet<string> = new Set(["turnId", "seq", "upTo", "name"]);
/** Objects of named values, which a fold merges or replaces name by name. */
const MAPS: ReadonlySet<string> = new Set(["data", "patch", "state"]);
const CONVERSATIONS: ReadonlySet<string> = new Set(["base", "restored"]);

/** `entry` with what users gave changed; `entry` itself where nothing is. */
export function changeEntry(entry: Entry, change: Change): Entry {
  const { type, data } = entry;
  const isOurs = !type.startsWith("x.") && isPlainObject(data);
  const changed = isOurs ? changeFields(data, change, type) : change(data);
  return changed === data ? entry : { ...entry, data: changed };
}

/** `record` with what users gave changed; `record` itself where nothing is. */
export function changeRecord(record: SessionRecord, change: Change): SessionRecord {
  const { data, dataByRoute, state, metadata } = record;
  const changed = {
    data: changeMap(data, change),
    dataByRoute: changeMap(dataByRoute, (held) => changeMap(held, change)),
    state: changeMap(state, change),
    metadata: changeMap(metadata, exceptText(change)),
  };
  const isSame =
    changed.data === data &&
    changed.dataByRoute === dataByRoute &&
    changed.state === state &&
    changed.metadata === metadata;
  return isSame ? record : { ...record, ...changed };
}

function changeFields(
  fields: Readonly<Record<string, unknown>>,
  change: Change,
  type?: string,
): Readonly<Record<string, unknown>> {
  const isOpen = type !== undefined && OPEN_TYPES.has(type);
  return changeMap(fields, (value, key) => {
    const isMetadata = key === "metadata" || (key === "patch" && type === "metadata.patched");
    if (isMetadata) return isPlainObject(value) ? changeMap(value, exceptText(change)) : value;
    if (isOpen) return KEPT_IN_OPEN.has(key) ? value : change(value);
    if (key === "value") return change(value);
    if (!isPlainObject(value)) return MAPS.has(key) ? change(value) : value;
    if (CONVERSATIONS.has(key)) return changeFields(value, change);
    if (key === "dataByRoute") return changeMap(value, (held) => changeHeld(held, change));
    return MAPS.has(key) ? changeMap(value, change) : value;
  });
}

function changeHeld(held: unknown, change: Change): unknown {
  return isPlainObject(held) ? changeMap(held, change) : change(held);
}

/** Lists look for texts in metadata. */
function exceptText(change: Change): Change {
  return (value) => (typeof value === "string" ? value : change(value));
}

/** `map` with each of its values changed; `map` itself where none is. */
export function changeMap<T>(
  map: Readonly<Record<string, T>>,
  change: (value: T, key: string) => T,
): Readonly<Record<string, T>> {
  let isChanged = false;
  const changed = Object.entries(map).map(([key, value]): [string, T] => {
    const next = change(value, key);
    isChanged ||= next !== value;
    return [key, next];
  });
  // Keys may be named `__proto__`: this makes them the object's own.
  return isChanged ? Object.fromEntries(changed) : map;
}
