/**
 * @module
 * Which fields of entries and records hold what people and models wrote. Ids and what is looked up by them are none.
 */
import type { Entry, KnownEntry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import type { Conversation, SessionRecord } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";
import type { WalkMode } from "./walk.ts";

/** Answers with what `value` should be. */
export type Field = (value: unknown, path: string, mode: WalkMode, key?: string) => unknown;

/** The data of `entry` with each such field as `field` answers. */
export function mapEntry(entry: Entry, field: Field): Entry {
  const data = isKnown(entry) ? mapKnown(entry, field) : field(entry.data, "data", "content");
  const text = entry.text === undefined ? undefined : field(entry.text, "text", "content", "text");
  if (data === entry.data && text === entry.text) return entry;
  return { ...entry, data, ...(typeof text === "string" && { text }) };
}

function mapKnown(entry: KnownEntry, field: Field): unknown {
  const { data } = entry;
  const one = (name: string, mode: WalkMode = "content", key?: string): unknown =>
    mapFields(data, { [name]: (value) => field(value, `data.${name}`, mode, key) });
  switch (entry.type) {
    case "session.created":
      return mapFields(data, {
        label: (value) => field(value, "data.label", "content", "label"),
        metadata: (value) => field(value, "data.metadata", "content"),
        base: (value) => mapConversation(value, "data.base", field),
        hold: (value) => mapHold(value, "data.hold", field),
      });
    case "message":
    case "message.revised":
      return one("message", "message");
    case "history.compacted":
      return one("messages", "message");
    case "history.rewound":
      return mapFields(data, { restored: (value) => mapConversation(value, "data.restored", field) });
    case "data.patched":
    case "metadata.patched":
      return one("patch");
    case "data.replaced":
      return one("data");
    case "checkpoint.created":
      return one("metadata");
    case "label.set":
      return one("label", "content", "label");
    case "turn.ended":
    case "hold.set":
      return one("reason", "content", "reason");
    case "state.set":
      return one("value", "content", entry.data.slot);
    case "route.entered":
      return one("route", "title");
    case "message.removed":
    case "messages.cleared":
    case "data.cleared":
    case "step.entered":
    case "route.completed":
    case "status.set":
    case "expiry.set":
    case "usage.added":
    case "turn.started":
    case "turn.extended":
    case "operation.applied":
    case "hold.released":
    case "session.deleted":
    case "lineage.erased":
      return data;
    default:
      // A type that nobody thought of here does not compile, and is looked at as a whole.
      entry satisfies never;
      return field(data, "data", "content");
  }
}

/** As {@link mapEntry}, for the record that the entries lead to. */
export function mapRecord(record: SessionRecord, field: Field): SessionRecord {
  const mapped = mapConversation(record, "record", field);
  const label =
    record.label === undefined ? undefined : field(record.label, "record.label", "content", "label");
  const metadata = field(record.metadata, "record.metadata", "content");
  const reason = record.hold && field(record.hold.reason, "record.hold.reason", "content", "reason");
  const isSame = mapped === record && label === record.label && metadata === record.metadata;
  if (isSame && reason === record.hold?.reason) return record;
  return {
    ...record,
    ...(isPlainObject(mapped) && mapped),
    ...(typeof label === "string" && { label }),
    ...(isPlainObject(metadata) && { metadata }),
    ...(record.hold && typeof reason === "string" && { hold: { ...record.hold, reason } }),
  };
}

function mapConversation(value: unknown, path: string, field: Field): unknown {
  const content = (name: keyof Conversation) => (held: unknown) => field(held, `${path}.${name}`, "content");
  return mapFields(value, {
    data: content("data"),
    dataByRoute: content("dataByRoute"),
    state: content("state"),
    route: (held) => field(held, `${path}.route`, "title"),
    routeHistory: (held) => field(held, `${path}.routeHistory`, "title"),
  });
}

function mapHold(value: unknown, path: string, field: Field): unknown {
  return mapFields(value, { reason: (reason) => field(reason, `${path}.reason`, "content", "reason") });
}

/** `value` with what `fields` answers for those that it has. */
function mapFields(value: unknown, fields: Readonly<Record<string, (held: unknown) => unknown>>): unknown {
  if (!isPlainObject(value)) return value;
  let result: Record<string, unknown> = value;
  for (const [name, map] of Object.entries(fields)) {
    if (!Object.hasOwn(value, name) || value[name] === undefined) continue;
    const next = map(value[name]);
    if (next !== value[name]) result = { ...result, [name]: next };
  }
  return result;
}
