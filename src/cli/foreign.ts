/**
 * @module
 * Conversations of other tools, written into the store as sessions. The session's id is the conversation's `sourceId`,
 * so that a second import finds the first.
 */
import { randomBytes } from "node:crypto";
import type { Entry, EntryType, SessionRecord } from "../index.ts";
import type { EntryData } from "../log/entry.ts";
import { positionalId } from "../log/entry.ts";
import { HoldfastError } from "../log/errors.ts";
import { labelFrom, messageText } from "../log/text.ts";
import { encodeValue } from "../log/values.ts";
import { checkUsage, entryId } from "../session/input.ts";
import type { AnySessions } from "./context.ts";
import type { ImportedMessage, ImportedSession } from "./import/index.ts";

/** Entries of one commit, so that a long conversation is several, each of a size that every engine takes. */
const COMMIT_ENTRIES = 1000;

export interface ForeignResult {
  readonly status: "imported" | "updated" | "unchanged";
  readonly id: string;
  /** How many messages were added, or would be. */
  readonly added: number;
}

export interface ForeignImporter {
  /**
   * Adds the conversation, or the messages that it got since it was added.
   *
   * @throws SESSION_EXISTS where the store holds other messages under its id; nothing is changed then.
   */
  add(imported: ImportedSession): Promise<ForeignResult>;
}

/** @param sessions `undefined`: there is no store yet, so everything is new. */
export function foreignImporter(sessions: AnySessions | undefined, dryRun: boolean): ForeignImporter {
  return {
    async add(imported) {
      const id = imported.sourceId;
      const existing = await sessions?.find(id);
      if (sessions && existing) return update(sessions, existing, imported, dryRun);
      if (sessions && !dryRun) await sessions.import(exportOf(imported));
      return { status: "imported", id, added: imported.messages.length };
    },
  };
}

/** The conversation as the lines of an export, so that times and order stay and all of it is there or none. */
export function exportOf(imported: ImportedSession): string[] {
  const entries = entriesOf(imported);
  return [
    JSON.stringify({ holdfast: 1, session: imported.sourceId, entries: entries.length }),
    ...entries.map((entry) => encodeValue(entry)),
  ];
}

function entriesOf(imported: ImportedSession): Entry[] {
  const { sourceId, parentSourceId, agent, userId, metadata, data, status, usage, messages } = imported;
  const times = messages.flatMap(({ at }) => at ?? []);
  const createdAt = imported.createdAt ?? times[0] ?? Date.now();
  const label = labelOf(imported);
  const entries: Entry[] = [];
  const add = <T extends EntryType>(type: T, value: EntryData[T], at: number, id?: string): void => {
    const seq = entries.length + 1;
    entries.push({
      seq,
      id: id ?? positionalId(seq),
      type,
      data: value,
      at,
      ...((seq - 1) % COMMIT_ENTRIES === 0 && { commit: randomBytes(12).toString("base64url") }),
    });
  };
  const created = {
    id: sourceId,
    namespace: "",
    kind: parentSourceId === undefined ? "session" : "child",
    ...(parentSourceId !== undefined && { parentId: parentSourceId }),
    ...(userId !== undefined && { userId }),
    ...(agent !== undefined && { agent }),
    ...(label !== undefined && { label }),
    metadata: { ...metadata, source: imported.source },
    dataVersion: 1,
  } as const;
  add("session.created", created, createdAt);
  if (data && Object.keys(data).length > 0) add("data.replaced", { data }, createdAt);
  if (usage && Object.keys(usage).length > 0) add("usage.added", { usage: checkUsage(usage) }, createdAt);
  let at = createdAt;
  for (const message of withIds(messages)) {
    at = message.at ?? at;
    add("message", { message: message.message }, at, message.id);
  }
  if (status === "completed") add("status.set", { status }, at);
  return entries;
}

function labelOf({ label, messages }: ImportedSession): string | undefined {
  if (label !== undefined) return labelFrom(label);
  const first = messages.find(({ message }) => message.role === "user" && messageText(message).trim() !== "");
  return first && labelFrom(messageText(first.message));
}

/** The messages with ids that can be stored: an id that is given twice, or that names a position, is left out. */
function withIds(messages: readonly ImportedMessage[]): ImportedMessage[] {
  const seen = new Set<string>();
  return messages.map((message) => {
    const { id, ...rest } = message;
    if (id === undefined || seen.has(id) || !isUsableId(id)) return rest;
    seen.add(id);
    return message;
  });
}

function isUsableId(id: string): boolean {
  try {
    entryId(id, "message id");
    return true;
  } catch (error) {
    if (HoldfastError.is(error, "INVALID_ARGUMENT")) return false;
    throw error;
  }
}

/** Compares message by message; what the conversation has beyond the stored ones is added. */
async function update(
  sessions: AnySessions,
  existing: SessionRecord,
  imported: ImportedSession,
  dryRun: boolean,
): Promise<ForeignResult> {
  const { id } = existing;
  const session = await sessions.open(id);
  const messages = withIds(imported.messages);
  let index = 0;
  for await (const { message } of session.stream()) {
    const other = messages[index];
    // The session went on in Holdfast: it holds all of the conversation already.
    if (other === undefined) return { status: "unchanged", id, added: 0 };
    if (encodeValue(message) !== encodeValue(other.message)) {
      throw new HoldfastError(
        "SESSION_EXISTS",
        `session ${JSON.stringify(id)} is in the store with other messages, from message ${index + 1} on; it was left as it is`,
        { sessionId: id },
      );
    }
    index += 1;
  }
  const added = messages.slice(index);
  if (added.length === 0) return { status: "unchanged", id, added: 0 };
  if (!dryRun)
    await session.append(
      added.map(({ message }) => message),
      idsFor(added),
    );
  return { status: "updated", id, added: added.length };
}

function idsFor(messages: readonly ImportedMessage[]): { ids?: string[] } {
  const ids = messages.flatMap(({ id }) => id ?? []);
  return ids.length === messages.length ? { ids } : {};
}
