/**
 * @module
 * What a turn finds when it goes on where another one stopped: tool calls without a result, that a crash interrupted or
 * that wait for somebody.
 */
import type { Message } from "../session/types.ts";
import { resultMessage } from "./messages.ts";
import type { PendingCall } from "./pending.ts";
import { isOver, pendingCalls, responseMessage, waiting } from "./pending.ts";
import { runTools } from "./tool-round.ts";
import { toolOf } from "./tools.ts";
import type { TurnState } from "./turn-state.ts";
import type { ApprovalAnswer, PendingApproval } from "./types.ts";

/** Why the turn is run. */
export type Occasion =
  /** `isAfterCrash`: whether somebody left a turn that this one closes. */
  | { readonly kind: "prompt"; readonly isAfterCrash: boolean }
  | { readonly kind: "resume" }
  | { readonly kind: "approve"; readonly answer: ApprovalAnswer };

/** Gives each call that has no result one, or says which still wait. Answers with what it appended. */
export async function settle<D extends object>(
  state: TurnState<D>,
  stored: readonly Message[],
  occasion: Occasion,
): Promise<Message[] | { waiting: PendingApproval[] }> {
  const { run, turn, saved } = state;
  const appended: Message[] = [];
  const nowMs = Date.now();
  const pending = pendingCalls(stored);
  const answer = occasion.kind === "approve" ? occasion.answer : undefined;
  const append = async (message: Message, what: string): Promise<void> => {
    await turn.append(message);
    appended.push(message);
    saved.push(what);
  };
  // While one waits for its approval none that has it is begun.
  const isParked = pending.some(({ request, isApproved }) => request && isApproved === undefined);
  const approved = new Set<PendingCall>();
  for (const call of pending) {
    const { request, isApproved, toolCallId } = call;
    if (request && isApproved === undefined && occasion.kind !== "prompt") {
      const isAnswered = answer?.toolCallId === toolCallId;
      if (isOver(request, nowMs)) {
        await append(responseMessage(request, false, "the time to approve it is over"), "that it is over");
      } else if (answer && isAnswered) {
        await append(responseMessage(request, answer.approved, answer.reason), "the answer");
        if (answer.approved) approved.add(call);
      }
    } else if (isApproved && isParked) approved.add(call);
  }
  const left = waiting(pending, nowMs).filter(({ toolCallId }) => toolCallId !== answer?.toolCallId);
  if (left.length > 0 && occasion.kind !== "prompt") {
    await turn.park();
    return { waiting: left };
  }
  // An approved call begins only now, unless this is a turn that was at it when its process died.
  const interrupted = pending.filter(
    (call) => !approved.has(call) && (!call.request || call.isApproved === true),
  );
  const again = interrupted.filter(({ toolName }) => {
    const tool = toolOf(run.tools, toolName);
    return tool?.idempotent === true || tool?.readOnly === true;
  });
  const lost = interrupted.filter((call) => !again.includes(call));
  for (const call of lost) {
    const value = "The call was interrupted before it gave a result. It may have taken place.";
    const result = resultMessage(call, { type: "error-text", value });
    await append(result, `that ${call.toolName} was interrupted`);
  }
  const { results } = await runTools(state, [...approved, ...again], run.tools, { isRecovered: true });
  return [...appended, ...results];
}
