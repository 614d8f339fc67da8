/**
 * @module
 * What @falai/agent keeps: a session's state with its `history`; the row of its session table; or the snapshot of its
 * memory adapter, `{ sessions, messages }`.
 *
 * `data` becomes the session's data. Routes, steps and data by route have no place in an imported session other than the
 * log that was never written, so they stand in `metadata` as they were. A history item of the older event shape
 * (`{ kind, source, data }`) becomes a message with its text, and the event in `raw`.
 */
import type { StoredObject } from "../../log/entry.ts";
import { isPlainObject } from "../../log/values.ts";
import { type Fields, fieldsOf, idOf, listOf, pick, textOf, timeOf } from "./fields.ts";
import { messagesOf } from "./messages.ts";
import { contentHash, sourceIdOf } from "./source-id.ts";
import type { DocumentReader, Found, Origin } from "./types.ts";

export const falai: DocumentReader = {
  format: "falai",
  matches: (document) => isSession(fieldsOf(document)) || isSnapshot(fieldsOf(document)),
  *read(document, origin) {
    const fields = fieldsOf(document);
    if (!isSnapshot(fields)) return yield* session(fields, listOf(fields.messages), origin);
    const bySession = Map.groupBy(listOf(fields.messages), (message) => idOf(fieldsOf(message).sessionId));
    for (const row of listOf(fields.sessions).map(fieldsOf)) {
      yield* session(row, bySession.get(idOf(row.id)) ?? [], { ...origin, alone: false });
      bySession.delete(idOf(row.id));
    }
    for (const [id, messages] of bySession) {
      const named = id === undefined ? "no session" : `the session ${JSON.stringify(id)}, which is not there`;
      yield { problem: `messages that name ${named} were left out: ${messages.length}` };
    }
  },
};

function isSession(fields: Fields): boolean {
  if (isPlainObject(fields.collectedData)) return typeof fields.id === "string";
  if (Array.isArray(fields.trajectory)) return false;
  const routed =
    Array.isArray(fields.routeHistory) ||
    isPlainObject(fields.dataByRoute) ||
    isPlainObject(fields.currentRoute);
  return routed || (Array.isArray(fields.history) && isPlainObject(fields.data));
}

function isSnapshot(fields: Fields): boolean {
  return Array.isArray(fields.sessions) && Array.isArray(fields.messages);
}

function* session(fields: Fields, rows: readonly unknown[], origin: Origin): Generator<Found> {
  // A row keeps the state in `collectedData`; a state is itself.
  const state = isPlainObject(fields.collectedData) ? fields.collectedData : fields;
  const history = listOf(state.history);
  // Both may be kept, the one a copy of the other. The rows say more, unless they were not all saved.
  const { messages, problems } = messagesOf((rows.length >= history.length ? rows : history).map(withRole));
  for (const problem of problems) yield { problem };

  const own = fieldsOf(state.metadata);
  const id = idOf(fields.id) ?? (origin.alone ? origin.stem : contentHash(fields));
  const agent = idOf(fields.agentName ?? fields.agent_name);
  const userId = idOf(fields.userId ?? fields.user_id ?? own.userId);
  const createdAt = timeOf(fields.createdAt ?? fields.created_at ?? own.createdAt) ?? messages[0]?.at;
  const status = textOf(fields.status);
  yield {
    session: {
      sourceId: sourceIdOf("falai", id),
      source: "falai",
      ...(agent !== undefined && { agent }),
      ...(userId !== undefined && { userId }),
      ...(createdAt !== undefined && { createdAt }),
      metadata: {
        sessionId: id,
        ...pick(state, ["dataByRoute", "routeHistory", "currentRouteTitle", "currentStepDescription"]),
        ...pick(fields, ["currentRoute", "currentStep", "status", "completedAt", "updatedAt"]),
        ...own,
      },
      ...(isPlainObject(state.data) && { data: state.data }),
      ...((status === "active" || status === "completed") && { status }),
      messages,
    },
  };
}

function withRole(item: unknown): unknown {
  if (!isPlainObject(item) || typeof item.role === "string" || typeof item.source !== "string") return item;
  const data = fieldsOf(item.data);
  const message: StoredObject = {
    ...pick(item, ["id", "timestamp"]),
    role: ROLES.get(item.source) ?? item.source,
    content: typeof data.message === "string" ? data.message : JSON.stringify(item.data ?? null),
    raw: item,
  };
  return message;
}

const ROLES: ReadonlyMap<string, string> = new Map([
  ["customer", "user"],
  ["ai_agent", "assistant"],
  ["agent", "assistant"],
]);
