/**
 * @module
 * What formagent-sdk's `FileSessionStorage` keeps: `<id>.json` with the session's whole state. Messages are kept as given.
 */
import { dirname, join } from "node:path";
import { isPlainObject } from "../../log/values.ts";
import { fieldsOf, idOf, listOf, timeOf } from "./fields.ts";
import { messagesOf } from "./messages.ts";
import { isPlainName } from "./sidecar.ts";
import { sourceIdOf } from "./source-id.ts";
import type { DocumentReader } from "./types.ts";
import { anthropicUsage } from "./usage.ts";

export const formagent: DocumentReader = {
  format: "formagent",
  matches(document) {
    const { id, messages, usage, metadata, createdAt, agentId } = fieldsOf(document);
    if (typeof id !== "string" || !Array.isArray(messages) || agentId !== undefined) return false;
    const counted =
      isPlainObject(usage) && (usage.input_tokens !== undefined || usage.output_tokens !== undefined);
    return counted || (isPlainObject(usage) && isPlainObject(metadata) && typeof createdAt === "number");
  },
  *read(document, origin) {
    const fields = fieldsOf(document);
    const id = idOf(fields.id) ?? origin.stem;
    const parentId = idOf(fields.parentId);
    const { messages, problems } = messagesOf(listOf(fields.messages));
    for (const problem of problems) yield { problem };
    const usage = anthropicUsage(fieldsOf(fields.usage));
    const createdAt = timeOf(fields.createdAt);
    const updatedAt = timeOf(fields.updatedAt);
    yield {
      session: {
        sourceId: sourceIdOf("formagent", id),
        source: "formagent",
        ...(parentId !== undefined && { parentSourceId: sourceIdOf("formagent", parentId) }),
        ...(createdAt !== undefined && { createdAt }),
        metadata: {
          sessionId: id,
          ...(updatedAt !== undefined && { updatedAt }),
          ...fieldsOf(fields.metadata),
        },
        ...(usage && { usage }),
        messages,
      },
      parentFiles:
        parentId !== undefined && isPlainName(parentId)
          ? [join(dirname(origin.path), `${parentId}.json`)]
          : [],
    };
  },
};
