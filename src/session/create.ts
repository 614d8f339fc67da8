/**
 * @module
 * New sessions.
 */

import type { NewMessage, NewSession } from "../log/decide.ts";
import { HoldfastError } from "../log/errors.ts";
import { messageText } from "../log/text.ts";
import { checkId } from "../log/values.ts";
import { checkData } from "./data.ts";
import { checkDuration, checkLabel, newMessages, storedObject } from "./input.ts";
import { retention } from "./lazy.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { recordOf } from "./runtime.ts";
import type { SessionInit } from "./types.ts";
import type { Writer } from "./writer.ts";

/** Creates a session from what its user gave. */
export async function createFrom(
  runtime: Runtime,
  init: SessionInit<object, object>,
  scope: Scope,
): Promise<Writer> {
  const id = init.id === undefined ? runtime.generateId() : checkId(init.id, "session id");
  const messages = newMessages(init.messages ?? []);
  const label = init.label === undefined ? labelOf(runtime, messages) : checkLabel(init.label);
  const userId = scope.userId ?? init.userId;
  const data = init.data === undefined ? undefined : storedObject(init.data, "data");
  if (data) await checkData(runtime.schema, data, id);
  return createLog(runtime, {
    id,
    kind: "session",
    dataVersion: runtime.dataVersion,
    ...(userId !== undefined && { userId: checkId(userId, "user id") }),
    ...(init.agent !== undefined && { agent: checkId(init.agent, "agent") }),
    ...(label !== undefined && { label }),
    ...(data && { data }),
    ...(init.metadata !== undefined && { metadata: storedObject(init.metadata, "metadata") }),
    ...(init.expiresInMs !== undefined && {
      expiresAt: runtime.clock() + checkDuration(init.expiresInMs, "expiresInMs"),
    }),
    messages,
  });
}

/** The label that a session gets from its first words of the user. */
export function labelOf(runtime: Runtime, messages: readonly NewMessage[]): string | undefined {
  const first = messages.find(
    ({ message }) => message["role"] === "user" && messageText(message).trim() !== "",
  );
  return first && runtime.labelFrom?.(messageText(first.message));
}

/** Commits a new log. What has expired, or was deleted and is inherited by nobody, makes way for it. */
export async function createLog(runtime: Runtime, session: Omit<NewSession, "namespace">): Promise<Writer> {
  const { store, writers, events } = runtime;
  const writer = writers.direct(session.id, undefined);
  try {
    await writer.submit({
      command: { type: "create", session: { ...session, namespace: store.namespaceName ?? "" } },
    });
  } catch (error) {
    // Deleted: what had the id went, or was replaced, while it was looked at. Then it is looked at again.
    if (!HoldfastError.is(error, "SESSION_DELETED")) {
      if (!HoldfastError.is(error, "SESSION_EXISTS")) throw error;
      const { makeWay } = await retention();
      if (!(await makeWay(runtime, session.id))) throw error;
    }
    return createLog(runtime, session);
  }
  const record = recordOf(writer);
  events.emit("created", { sessionId: session.id, record });
  return writers.of(record);
}
