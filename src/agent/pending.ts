/**
 * @module
 * The tool calls that a conversation ends with and that have no result yet: interrupted by a crash, or waiting for
 * somebody's approval.
 */
import { toolCallsOf, toolResultIdsOf } from "../log/tool-calls.ts";
import { isPlainObject } from "../log/values.ts";
import type { Message, Part } from "../session/types.ts";
import type { PendingApproval, ToolCallInfo } from "./types.ts";

export interface PendingCall extends ToolCallInfo {
  /** Where it needs approval. */
  readonly request?: PendingApproval;
  /** Where that was answered. */
  readonly isApproved?: boolean;
}

const REQUEST = "tool-approval-request";
const RESPONSE = "tool-approval-response";

/**
 * The calls of the last message that makes any, as far as nothing after it answers them. One that waits for approval
 * does so only until the user goes on without it.
 */
export function pendingCalls(messages: readonly Message[]): PendingCall[] {
  const last = messages.findLastIndex((message) => toolCallsOf({ ...message }).length > 0);
  const message = messages[last];
  if (message === undefined) return [];
  const after = messages.slice(last + 1);
  const answered = new Set(after.flatMap((one) => toolResultIdsOf({ ...one })));
  const parts = partsOf(message);
  const responses = new Map(
    after.flatMap(partsOf).flatMap((part): [unknown, boolean][] => {
      return part.type === RESPONSE ? [[part.approvalId, part.approved === true]] : [];
    }),
  );
  const isOverruled = after.some(({ role }) => role === "user");
  return toolCallsOf({ ...message })
    .filter(({ id, waitsFor }) => !answered.has(id) && waitsFor !== "provider")
    .map(({ id: toolCallId, name: toolName }) => {
      const input = parts.find((part) => part.type === "tool-call" && part.toolCallId === toolCallId)?.input;
      const call = { toolCallId, toolName, input };
      const request = requestOf(parts, call);
      const isApproved = request && responses.get(request.approvalId);
      return { ...call, ...(request && { request }), ...(isApproved !== undefined && { isApproved }) };
    })
    .filter(({ request, isApproved }) => !(isOverruled && request && isApproved === undefined));
}

/** Those that wait for approval at `nowMs`. */
export function waiting(calls: readonly PendingCall[], nowMs: number): PendingApproval[] {
  return calls.flatMap(({ request, isApproved }) =>
    request && isApproved === undefined && !isOver(request, nowMs) ? request : [],
  );
}

export function isOver({ expiresAt }: PendingApproval, nowMs: number): boolean {
  return expiresAt !== undefined && expiresAt <= nowMs;
}

export function requestPart({ approvalId, toolCallId, expiresAt }: PendingApproval): Part {
  return { type: REQUEST, approvalId, toolCallId, ...(expiresAt !== undefined && { expiresAt }) };
}

/** What somebody said of a call; denied, with the result that the model gets. */
export function responseMessage(request: PendingApproval, approved: boolean, reason?: string): Message {
  const { approvalId, toolCallId, toolName } = request;
  const why = reason === undefined ? {} : { reason };
  return {
    role: "tool",
    content: [
      { type: RESPONSE, approvalId, approved, ...why },
      ...(approved
        ? []
        : [{ type: "tool-result", toolCallId, toolName, output: { type: "execution-denied", ...why } }]),
    ],
  };
}

function requestOf(
  parts: readonly Record<string, unknown>[],
  call: ToolCallInfo,
): PendingApproval | undefined {
  const part = parts.find(({ type, toolCallId }) => type === REQUEST && toolCallId === call.toolCallId);
  if (typeof part?.approvalId !== "string") return undefined;
  const { approvalId, expiresAt } = part;
  return { ...call, approvalId, ...(typeof expiresAt === "number" && { expiresAt }) };
}

function partsOf({ content }: Message): Record<string, unknown>[] {
  const parts: unknown[] = typeof content === "string" ? [] : content;
  return parts.filter(isPlainObject);
}
