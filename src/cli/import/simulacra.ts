/**
 * @module
 * What @simulacra-ai/session's `FileSessionStore` keeps: `<id>.json` with `metadata` and `messages`, or, in its append
 * mode, `<id>.ndjson` with one message a line beside `<id>.meta.json`.
 *
 * A fork's file holds only what came after the fork. Its session gets the messages of its parent up to there as well, so
 * that it is whole; where the parent is gone or broken, that is said. Detached children inherit nothing. The hard links in
 * `<parent>-forks/` are the same files once more.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";
import { type Fields, fieldsOf, idOf, listOf, omit, textOf, timeOf } from "./fields.ts";
import { type JsonLine, parseJson, readJsonLines, withoutMark } from "./lines.ts";
import { messagesOf } from "./messages.ts";
import { isMissing, isPlainName, readSidecar } from "./sidecar.ts";
import { contentHash, sourceIdOf } from "./source-id.ts";
import type { DocumentReader, Found, ImportedSession, Origin } from "./types.ts";

const MAX_GENERATIONS = 1000;

interface Stored {
  readonly metadata: Fields;
  readonly messages: readonly unknown[];
}

export const simulacra: DocumentReader = {
  format: "simulacra",
  matches(document) {
    const { metadata, messages } = fieldsOf(document);
    return Array.isArray(messages) && isSimulacraMetadata(fieldsOf(metadata));
  },
  async *read(document, origin) {
    const fields = fieldsOf(document);
    const metadata = fieldsOf(fields.metadata);
    const id = idOf(fields.id) ?? idOf(metadata.id) ?? (origin.alone ? origin.stem : contentHash(document));
    yield* session(id, { metadata, messages: listOf(fields.messages) }, origin);
  },
};

export function isSimulacraMetadata(metadata: Fields): boolean {
  return (
    typeof metadata.created_at === "string" &&
    (metadata.message_count !== undefined || metadata.updated_at !== undefined)
  );
}

/** The session of a file in append mode, whose metadata stand beside it. */
export async function* readSimulacraLines(
  lines: AsyncIterable<JsonLine>,
  metadata: Fields,
  origin: Origin,
): AsyncGenerator<Found> {
  const messages: unknown[] = [];
  for await (const found of lines) {
    if ("problem" in found) yield found;
    else messages.push(found.value);
  }
  yield* session(idOf(metadata.id) ?? origin.stem, { metadata, messages }, origin);
}

async function* session(id: string, stored: Stored, origin: Origin): AsyncGenerator<Found> {
  const { metadata } = stored;
  const parentId = idOf(metadata.parent_id);
  const inherited = await inheritedBy(id, stored, origin);
  if (inherited.problem !== undefined) yield { problem: inherited.problem };
  const { messages, problems } = messagesOf([...inherited.messages, ...stored.messages]);
  for (const problem of problems) yield { problem };
  const label = textOf(metadata.label);
  const createdAt = timeOf(metadata.created_at);
  const session: ImportedSession = {
    sourceId: sourceIdOf("simulacra", id),
    source: "simulacra",
    ...(parentId !== undefined && parentId !== id && { parentSourceId: sourceIdOf("simulacra", parentId) }),
    ...(label !== undefined && { label }),
    ...(createdAt !== undefined && { createdAt }),
    metadata: {
      sessionId: id,
      ...(inherited.messages.length > 0 && { inheritedMessages: inherited.messages.length }),
      ...omit(metadata, ["id", "label", "created_at", "message_count", "parent_id"]),
    },
    messages,
  };
  yield { session, parentFiles: parentId === undefined ? [] : filesOf(parentId, origin.path) };
}

/** The messages that a session takes over from its ancestors, oldest first. */
async function inheritedBy(
  id: string,
  stored: Stored,
  origin: Origin,
): Promise<{ messages: readonly unknown[]; problem?: string }> {
  const seen = new Set([id]);
  /** Nearest first. */
  const ancestors: Stored[] = [];
  let problem: string | undefined;
  for (let child = stored; problem === undefined; ) {
    const parentId = idOf(child.metadata.parent_id);
    if (parentId === undefined || child.metadata.detached === true) break;
    const named = `an ancestor, the session ${JSON.stringify(parentId)},`;
    const parent: Stored | { problem: string } =
      seen.has(parentId) || seen.size > MAX_GENERATIONS
        ? { problem: "is its descendant as well" }
        : await load(parentId, origin);
    if ("problem" in parent) {
      problem = `${named} ${parent.problem}; what the session inherits from there is missing`;
    } else {
      seen.add(parentId);
      ancestors.push(parent);
      child = parent;
    }
  }
  let messages: readonly unknown[] = [];
  for (const ancestor of ancestors.toReversed()) {
    messages = [...upToFork(messages, ancestor.metadata), ...ancestor.messages];
  }
  return { messages: upToFork(messages, stored.metadata), ...(problem !== undefined && { problem }) };
}

/** The parent's messages up to the one that the fork names; all where it names none that is there. */
function upToFork(messages: readonly unknown[], fork: Fields): readonly unknown[] {
  if (fork.fork_message_id === undefined) return messages;
  const at = messages.findIndex((message) => fieldsOf(message).id === fork.fork_message_id);
  return at < 0 ? messages : messages.slice(0, at + 1);
}

async function load(id: string, origin: Origin): Promise<Stored | { problem: string }> {
  for (const path of filesOf(id, origin.path)) {
    try {
      if (path.endsWith(".ndjson")) {
        const { fields } = await readSidecar({ ...origin, path });
        const messages: unknown[] = [];
        for await (const found of readJsonLines(path, origin.limits.lineBytes)) {
          if ("value" in found) messages.push(found.value);
        }
        return { metadata: fields, messages };
      }
      const parsed = parseJson(withoutMark(await readFile(path, "utf8")));
      if ("problem" in parsed) return { problem: `is ${parsed.problem}` };
      const fields = fieldsOf(parsed.value);
      if (!Array.isArray(fields.messages) || !isPlainObject(fields.metadata))
        return { problem: "is not a session" };
      return { metadata: fields.metadata, messages: fields.messages };
    } catch (error) {
      if (!isMissing(error)) return { problem: `could not be read (${messageOf(error)})` };
    }
  }
  return { problem: "is not there" };
}

/** Where a session of the same store lies: beside the file, or above it where that lies in a folder of forks. */
function filesOf(id: string, path: string): string[] {
  if (!isPlainName(id)) return [];
  const folder = dirname(path);
  const folders = basename(folder).endsWith("-forks") ? [folder, dirname(folder)] : [folder];
  return folders.flatMap((one) => [join(one, `${id}.json`), join(one, `${id}.ndjson`)]);
}
