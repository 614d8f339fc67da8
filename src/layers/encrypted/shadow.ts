/**
 * @module
 * What the inner store sees of entries and records: a log and a record that are right by themselves, so that the store may
 * heal, list and expire, in which all else is sealed.
 *
 * Entries that change what a list looks for keep their type and hold just that, besides the envelope. All others are of
 * types that nobody interprets.
 */
import type { Entry } from "../../log/entry.ts";
import { isKnown } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import { EMPTY_CONVERSATION, NO_USAGE } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";
import { SEALED_TYPE } from "../layer.ts";
import type { Blind } from "./blind.ts";
import { keyIdOf } from "./cipher.ts";

const KEPT: ReadonlySet<string> = new Set<Entry["type"]>([
  "session.created",
  "label.set",
  "metadata.patched",
  "status.set",
  "expiry.set",
  "session.deleted",
  "lineage.erased",
]);

/** The slots of an inner record's state: the envelope of the record, or of the entry that it began with. */
const SEALED = "sealed";
const CREATED = "created";

/** The type of the inner entry. Different for different types. */
export function innerType(type: string): Entry["type"] {
  if (KEPT.has(type) || (type.startsWith("x.") && !type.startsWith(SEALED_TYPE))) return checked(type);
  return `${SEALED_TYPE}${type}`;
}

/** The type that {@link innerType} made `type` of. */
export function outerType(type: string): string {
  return type.startsWith(SEALED_TYPE) ? type.slice(SEALED_TYPE.length) : type;
}

function checked(type: string): Entry["type"] {
  return isType(type) ? type : `x.${type}`;
}

function isType(type: string): type is Entry["type"] {
  return KEPT.has(type) || type.startsWith("x.");
}

/** The entry as the inner store gets it. */
export function innerEntry(entry: Entry, envelope: string, blind: Blind | undefined): Entry {
  const { seq, id, at, commit } = entry;
  return {
    seq,
    id,
    type: innerType(entry.type),
    data: indexData(entry, envelope, blind) ?? { sealed: envelope },
    at,
    ...(commit !== undefined && { commit }),
  };
}

/** What of an entry the inner store's fold needs to get its index fields right. */
function indexData(
  entry: Entry,
  sealed: string,
  blind: Blind | undefined,
): Record<string, unknown> | undefined {
  if (!isKnown(entry)) return undefined;
  switch (entry.type) {
    case "session.created": {
      const { id, namespace, kind, parentId, lineage, userId, agent, label, metadata, expiresAt } =
        entry.data;
      return {
        id,
        namespace,
        kind,
        ...(parentId !== undefined && { parentId }),
        ...(lineage && { lineage }),
        ...(userId !== undefined && { userId }),
        ...(agent !== undefined && { agent }),
        ...(label !== undefined && { label: blind?.label(label) }),
        ...(metadata && { metadata: blind?.metadata(metadata) }),
        dataVersion: 1,
        ...(expiresAt !== undefined && { expiresAt }),
        // Where a fork begins its state goes on, the envelope with it; that this entry has one is said beside.
        base: { ...EMPTY_CONVERSATION, state: { [CREATED]: sealed } },
        sealed: true,
      };
    }
    case "label.set":
      return { sealed, label: blind?.label(entry.data.label), automatic: false };
    case "metadata.patched":
      return { sealed, patch: blind?.metadata(entry.data.patch) };
    case "status.set":
      return { sealed, status: entry.data.status };
    case "expiry.set": {
      const { expiresAt } = entry.data;
      return { sealed, ...(expiresAt !== undefined && { expiresAt }) };
    }
    case "lineage.erased":
      return { sealed, id: entry.data.id, count: 0 };
    default:
      return undefined;
  }
}

/** Whether the inner entry holds blind values. */
export function isBlinded(entry: Entry): boolean {
  if (!isKnown(entry)) return false;
  if (entry.type === "session.created")
    return entry.data.label !== undefined || entry.data.metadata !== undefined;
  return entry.type === "label.set" || entry.type === "metadata.patched";
}

/** The record as the inner store gets it. */
export function innerRecord(
  record: SessionRecord,
  envelope: string,
  blind: Blind | undefined,
): SessionRecord {
  const { id, namespace, version, seq, kind, parentId, lineage, userId, agent, label, metadata } = record;
  const { status, createdAt, updatedAt, expiresAt } = record;
  return {
    id,
    namespace,
    version,
    seq,
    kind,
    ...(parentId !== undefined && { parentId }),
    lineage,
    ...(userId !== undefined && { userId }),
    ...(agent !== undefined && { agent }),
    ...(label !== undefined && blind && { label: blind.label(label) }),
    status,
    ...EMPTY_CONVERSATION,
    usage: NO_USAGE,
    state: { [SEALED]: envelope },
    metadata: blind ? blind.metadata(metadata) : {},
    dataVersion: 1,
    createdAt,
    updatedAt,
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** The envelope of an inner entry, where it has one. */
export function envelopeOf({ type, data }: Entry): string | undefined {
  if (!isPlainObject(data)) return undefined;
  if (type !== "session.created") return textOf(data.sealed);
  const { base } = data;
  return isPlainObject(base) && isPlainObject(base.state) ? textOf(base.state[CREATED]) : undefined;
}

/**
 * The envelope of an inner record, where it has one. A store that folds its log anew may have lost it, and then knows only
 * the one of the first entry.
 */
export function recordEnvelopes({ state }: SessionRecord): {
  readonly whole?: string;
  readonly first?: string;
} {
  const [whole, first] = [textOf(state[SEALED]), textOf(state[CREATED])];
  return { ...(whole !== undefined && { whole }), ...(first !== undefined && { first }) };
}

/** The id of the key that a session is sealed under, where its record names one. */
export function recordKeyId(record: SessionRecord): string | undefined {
  const { whole, first } = recordEnvelopes(record);
  const found = keyIdOf(whole ?? first ?? "");
  return "id" in found ? found.id : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The fields that stay readable, which must be just those that were sealed. */
const INDEXED = [
  "id",
  "namespace",
  "seq",
  "kind",
  "parentId",
  "userId",
  "agent",
  "status",
  "createdAt",
  "updatedAt",
  "expiresAt",
] as const;

/** The first field in which an inner record is not as the sealed one says. */
export function differingField(inner: SessionRecord, record: SessionRecord): string | undefined {
  const field = INDEXED.find((name) => inner[name] !== record[name]);
  if (field !== undefined) return field;
  return JSON.stringify(inner.lineage) === JSON.stringify(record.lineage) ? undefined : "lineage";
}
