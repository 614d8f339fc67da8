/**
 * @module
 * OpenAI chat conversations: `{ messages: [...] }`, as in requests and fine-tuning files, or the bare list of messages.
 *
 * The messages are kept as given. A conversation has no id of its own that is sure to be its own, so it is known by its
 * file's name and its content: one that has grown since is another one.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
import { isPlainObject } from "../../log/values.ts";
import { type Fields, fieldsOf, idOf, pick, textOf, timeOf } from "./fields.ts";
import type { JsonLine } from "./lines.ts";
import { isMessage, messagesOf, tooLarge } from "./messages.ts";
import { contentHash, sourceIdOf } from "./source-id.ts";
import type { DocumentReader, Found, Origin } from "./types.ts";

const SMALL_FIELDS = ["id", "model", "created"];
const MAX_METADATA_BYTES = 8 * 1024;

export const openai: DocumentReader = {
  format: "openai",
  matches: (document) =>
    isPlainObject(document) ? Array.isArray(document.messages) : isMessageList(document),
  *read(document, origin) {
    if (Array.isArray(document)) yield* conversation({}, document, origin);
    const fields = fieldsOf(document);
    if (Array.isArray(fields.messages)) yield* conversation(fields, fields.messages, origin);
  },
};

/** Whether it is a list that begins with a message, and so a conversation rather than a list of conversations. */
export function isMessageList(value: unknown): value is unknown[] {
  return (
    Array.isArray(value) && isMessage(value.find((item) => isPlainObject(item))) && !Array.isArray(value[0])
  );
}

/** A file that holds one message a line: one conversation. */
export async function* readMessageLines(
  lines: AsyncIterable<JsonLine>,
  origin: Origin,
): AsyncGenerator<Found> {
  const values: unknown[] = [];
  let bytes = 0;
  for await (const found of lines) {
    if ("problem" in found) {
      yield found;
    } else if (!isMessage(found.value)) {
      yield { problem: "the line is not a message with a role; it was left out", line: found.line };
    } else {
      bytes += found.bytes;
      if (bytes > origin.limits.sessionBytes) return yield tooLarge(origin);
      values.push(found.value);
    }
  }
  yield* conversation({}, values, origin);
}

function* conversation(fields: Fields, values: readonly unknown[], origin: Origin): Generator<Found> {
  const { messages, problems } = messagesOf(values);
  for (const problem of problems) yield { problem };
  if (messages.length === 0) return yield { problem: "the conversation holds no message" };
  const id = idOf(fields.id);
  const label = textOf(fields.title) ?? textOf(fields.name);
  const userId = idOf(fields.user);
  const createdAt = timeOf(fields.created) ?? messages[0]?.at;
  yield {
    session: {
      sourceId: sourceIdOf("openai", origin.stem, ...(id === undefined ? [] : [id]), contentHash(values)),
      source: "openai",
      ...(label !== undefined && { label }),
      ...(userId !== undefined && { userId }),
      ...(createdAt !== undefined && { createdAt }),
      metadata: { ...pick(fields, SMALL_FIELDS), ...smallMetadata(fields) },
      messages,
    },
  };
}

function smallMetadata(fields: Fields): Record<string, unknown> {
  if (!isPlainObject(fields.metadata) || JSON.stringify(fields.metadata).length > MAX_METADATA_BYTES)
    return {};
  return { metadata: fields.metadata };
}
