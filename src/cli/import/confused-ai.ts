/**
 * @module
 * What confused-ai's session stores keep: a session `{ id, agentId, userId, messages, … }`, or the row of its database
 * `{ session_id, agent_id, user_id, session_data }`. Messages are kept as given.
 */
import { isPlainObject } from "../../log/values.ts";
import { type Fields, fieldsOf, idOf, listOf, pick, timeOf } from "./fields.ts";
import { parseJson } from "./lines.ts";
import { messagesOf } from "./messages.ts";
import { sourceIdOf } from "./source-id.ts";
import type { DocumentReader } from "./types.ts";

export const confusedAi: DocumentReader = {
  format: "confused-ai",
  matches(document) {
    const fields = fieldsOf(document);
    const id = fields.id ?? fields.sessionId ?? fields.session_id;
    const ofAgent = fields.agentId ?? fields.agent_id ?? fields.session_data;
    const ofUser =
      fields.userId !== undefined && fields.createdAt !== undefined && fields.updatedAt !== undefined;
    return id !== undefined && (ofAgent !== undefined || ofUser) && Array.isArray(contentOf(fields).messages);
  },
  *read(document, origin) {
    const fields = fieldsOf(document);
    const content = contentOf(fields);
    const id = idOf(fields.id ?? fields.sessionId ?? fields.session_id) ?? origin.stem;
    const { messages, problems } = messagesOf(listOf(content.messages));
    for (const problem of problems) yield { problem };
    const agent = idOf(fields.agentId ?? fields.agent_id);
    const userId = idOf(fields.userId ?? fields.user_id);
    const createdAt = timeOf(fields.createdAt ?? fields.created_at);
    const updatedAt = timeOf(fields.updatedAt ?? fields.updated_at);
    yield {
      session: {
        sourceId: sourceIdOf("confused-ai", id),
        source: "confused-ai",
        ...(agent !== undefined && { agent }),
        ...(userId !== undefined && { userId }),
        ...(createdAt !== undefined && { createdAt }),
        metadata: {
          sessionId: id,
          ...pick(fields, ["state", "context", "expiresAt"]),
          ...(updatedAt !== undefined && { updatedAt }),
          ...fieldsOf(content.metadata ?? fields.metadata),
        },
        messages,
      },
    };
  },
};

/** Where the messages lie: in the session itself, or in the data of its row, which may be JSON text. */
function contentOf(fields: Fields): Fields {
  const held = fields.sessionData ?? fields.session_data;
  if (isPlainObject(held)) return held;
  if (typeof held !== "string") return fields;
  const parsed = parseJson(held);
  return "value" in parsed ? fieldsOf(parsed.value) : {};
}
