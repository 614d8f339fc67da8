/**
 * @module
 * What an audit event may tell of an answer: which sessions, how many, which version. Never what they hold.
 */
import type { AuditEvent } from "./audit-event.ts";

export interface Answer {
  readonly told: Pick<AuditEvent, "sessionId" | "namespace" | "sessionIds" | "count" | "version" | "seq">;
  readonly isSession: boolean;
  /** It may be that there was nothing, or that it was kept from who asked. */
  readonly isNothing: boolean;
}

export function answerOf(result: unknown): Answer {
  const isSession = isObject(result) && "append" in result && "record" in result;
  return { told: toldOf(result), isSession, isNothing: result === undefined || result === false };
}

function toldOf(result: unknown): Answer["told"] {
  if (Array.isArray(result)) return { count: result.length };
  if (!isObject(result)) return {};
  // A handle, or the record of a session.
  const { record = result } = result;
  if (isObject(record) && typeof record["id"] === "string" && typeof record["namespace"] === "string")
    return { sessionId: record["id"], namespace: record["namespace"] };
  for (const key of ["items", "sessions", "removed"]) {
    const many = result[key];
    if (Array.isArray(many)) return { count: many.length, sessionIds: many.flatMap(idOf) };
  }
  const { version, seq } = result;
  return {
    ...(typeof version === "number" && { version }),
    ...(typeof seq === "number" && { seq }),
  };
}

/** Of an id, a record or a hit. */
function idOf(item: unknown): string[] {
  if (typeof item === "string") return [item];
  const id = isObject(item) ? (item["sessionId"] ?? item["id"]) : undefined;
  return typeof id === "string" ? [id] : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
