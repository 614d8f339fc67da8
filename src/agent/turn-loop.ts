/**
 * @module
 * The turn loop: the model is called, what it says is committed, its tools run, their results are committed, until it
 * has answered. Whatever comes next is begun only once what it depends on is in the log.
 */
import type { AssistantModelMessage, ModelMessage } from "ai";
import { HoldfastError } from "../log/errors.ts";
import { addUsage } from "../log/evolve.ts";
import type { Usage } from "../log/record.ts";
import { NO_USAGE } from "../log/record.ts";
import { repair } from "../log/repair.ts";
import type { Message, Turn } from "../session/types.ts";
import { isErrorOutput, isSpent, modelMessages, resultMessage, textOf } from "./messages.ts";
import type { ModelAnswer } from "./model-call.ts";
import { callModel, ModelCallError } from "./model-call.ts";
import type { PendingCall } from "./pending.ts";
import { isOver, pendingCalls, requestPart, responseMessage, waiting } from "./pending.ts";
import { COLLECT_DATA, ENTER_ROUTE, entering, routeKit, told } from "./route-tools.ts";
import { isCompleted, lastRouteOf } from "./routes.ts";
import type { AgentSetting, RunSetting } from "./setting.ts";
import type { ToolOutcome, ToolSetting } from "./tools.ts";
import { needsApproval, runTool, toolOf } from "./tools.ts";
import { turnContext } from "./turn-context.ts";
import type {
  AgentStep,
  AgentTools,
  ApprovalAnswer,
  PendingApproval,
  RunFinishReason,
  ToolCallInfo,
  ToolResultInfo,
} from "./types.ts";

/** Why the turn is run. */
export type Occasion =
  | {
      readonly kind: "prompt" /** Whether a crash left a turn that this one closes. */;
      readonly isAfterCrash: boolean;
    }
  | { readonly kind: "resume" }
  | { readonly kind: "approve"; readonly answer: ApprovalAnswer };

/** What a turn came to. */
export interface TurnEnd {
  readonly text: string;
  readonly message?: AssistantModelMessage;
  readonly finishReason: RunFinishReason;
  readonly usage: Usage;
  readonly steps: readonly AgentStep[];
  readonly approvals: readonly PendingApproval[];
}

/** What marks a message that its model did not finish. */
const PARTIAL = { holdfast: { partial: true } };

/** Runs a turn that was just started or taken over, to its end or until it waits for an approval. */
export async function runTurnLoop<D extends object>(
  agent: AgentSetting<D>,
  run: RunSetting<D>,
  turn: Turn,
  occasion: Occasion,
): Promise<TurnEnd> {
  const loop = createLoop(agent, run, turn);
  try {
    return await loop.run(occasion);
  } catch (error) {
    loop.stop(error);
    throw loop.explained(error);
  }
}

function createLoop<D extends object>(agent: AgentSetting<D>, run: RunSetting<D>, turn: Turn) {
  const { session, emit } = run;
  const stopped = new AbortController();
  const signal = AbortSignal.any([turn.signal, stopped.signal]);
  const steps: AgentStep[] = [];
  /** What of this turn is in the log, for whoever is told that something is not. */
  const saved: string[] = turn.resumed ? [] : ["the prompt"];
  let messages: ModelMessage[] = [];
  let usage: Usage = NO_USAGE;

  async function start(occasion: Occasion): Promise<readonly PendingApproval[]> {
    const stored =
      occasion.kind === "prompt"
        ? await session.context({ ...agent.window, repair: false })
        : await turnContext(session, agent.window);
    const settled =
      occasion.kind === "prompt" && !occasion.isAfterCrash ? [] : await settle(stored, occasion);
    if ("waiting" in settled) return settled.waiting;
    const all = repair([...stored, ...settled].map((message) => ({ ...message })));
    messages = modelMessages(all, session.id);
    return [];
  }

  /** Gives each call that has no result one, or says which still wait. Answers with what it appended. */
  async function settle(
    stored: readonly Message[],
    occasion: Occasion,
  ): Promise<Message[] | { waiting: PendingApproval[] }> {
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
    const again = interrupted.filter(({ toolName }) => toolOf(run.tools, toolName)?.idempotent === true);
    const lost = interrupted.filter((call) => !again.includes(call));
    for (const call of lost) {
      const value = "The call was interrupted before it gave a result. It may have taken place.";
      const result = resultMessage(call, { type: "error-text", value });
      await append(result, `that ${call.toolName} was interrupted`);
    }
    const { results } = await runTools([...approved, ...again], run.tools, true);
    return [...appended, ...results];
  }

  function toolSetting(tools: AgentTools): ToolSetting {
    return {
      tools,
      run: {
        context: run.context.context,
        ...(run.plainSessions && {
          session: run.plainSession,
          sessions: run.plainSessions,
          sessionId: session.id,
        }),
        ...(run.context.userId !== undefined && { userId: run.context.userId }),
      },
      messages,
      signal,
      timeoutMs: agent.toolTimeoutMs,
      maxResultBytes: agent.maxToolResultBytes,
    };
  }

  /** Runs calls side by side, but for those that move the session along its routes: these in turn, and first. */
  async function runTools(
    calls: readonly ToolCallInfo[],
    tools: AgentTools,
    isRecovered = false,
  ): Promise<{ results: Message[]; infos: ToolResultInfo[] }> {
    const setting = toolSetting(tools);
    const results: Message[] = [];
    const infos: ToolResultInfo[] = [];
    const one = async (call: ToolCallInfo): Promise<void> => {
      const outcome = await runTool(call, setting, isRecovered);
      const done = await commitResult(call, outcome);
      results.push(done.message);
      infos.push(done.info);
      emit({ type: "tool-result", ...done.info });
    };
    const isOfRoutes = ({ toolName }: ToolCallInfo): boolean =>
      toolName === COLLECT_DATA || toolName === ENTER_ROUTE;
    for (const call of calls.filter(isOfRoutes)) await one(call);
    await Promise.all(calls.filter((call) => !isOfRoutes(call)).map(one));
    return { results, infos };
  }

  /** The result and what comes with it go into one commit. */
  async function commitResult(
    call: ToolCallInfo,
    { output, effects }: ToolOutcome,
  ): Promise<{ message: Message; info: ToolResultInfo }> {
    const { usage: spent, changes, after } = effects;
    const message = resultMessage(call, output);
    const [appended, ...changed] = await Promise.allSettled([
      turn.append(message, spent && isSpent(spent) ? { usage: spent } : {}),
      ...(changes?.(run.plainSession) ?? []),
    ]);
    if (appended.status === "rejected") {
      const { reason }: { reason: unknown } = appended;
      const isRefused = HoldfastError.is(reason, "INVALID_ARGUMENT");
      const canBeTold = isRefused || HoldfastError.is(reason, "ENTRY_TOO_LARGE");
      if (!canBeTold || isErrorOutput(output)) throw reason;
      const value = isRefused
        ? `The result of ${call.toolName} can't be kept: ${reason.message}`
        : `The result of ${call.toolName} is too large to keep. Ask for less.`;
      return commitResult(call, { output: { type: "error-text", value }, effects: {} });
    }
    saved.push(`the result of ${call.toolName}`);
    if (spent) usage = addUsage(usage, spent);
    const refused = changed.find((one) => one.status === "rejected");
    if (!refused) {
      await after?.();
      return { message, info: { ...call, output, isError: isErrorOutput(output) } };
    }
    if (!HoldfastError.is(refused.reason, "INVALID_DATA")) throw refused.reason;
    // The session's own schema refused what the route's accepted: then the model is told that, in the same place.
    const corrected = resultMessage(call, { type: "error-text", value: refused.reason.message });
    await session.revise(appended.value.ids[0] ?? "", corrected);
    return { message: corrected, info: { ...call, output: { type: "error-text" }, isError: true } };
  }

  /** The tools and the system prompt of the next call: routes change both. */
  function kit(): { tools: AgentTools; instructions: string } {
    if (agent.routes.length === 0) return { tools: run.tools, instructions: run.instructions };
    const { tools, instructions } = routeKit(agent.routes, run.plainSession, session.record, run.routes);
    return {
      tools: { ...run.tools, ...tools },
      instructions: [run.instructions, instructions].filter((text) => text !== "").join("\n\n"),
    };
  }

  function ask(approvals: readonly PendingApproval[]): void {
    for (const approval of approvals) emit({ type: "approval-request", ...approval });
  }

  async function answered(tools: AgentTools, instructions: string): Promise<ModelAnswer> {
    try {
      return await callModel(
        {
          model: agent.options.model,
          instructions,
          messages,
          tools,
          settings: agent.options.settings ?? {},
          signal,
        },
        {
          text: (text) => emit({ type: "text", text }),
          reasoning: (text) => emit({ type: "reasoning", text }),
          toolCall: (call) => emit({ type: "tool-call", ...call }),
        },
      );
    } catch (error) {
      if (!(error instanceof ModelCallError)) throw error;
      await keepPartial(error.partial);
      throw error.cause;
    }
  }

  async function keepPartial(text: string): Promise<void> {
    if (text === "") return;
    await turn.append({ role: "assistant", content: [{ type: "text", text, providerOptions: PARTIAL }] });
    saved.push("the part of the answer that had come");
  }

  async function requests(calls: readonly ToolCallInfo[], tools: AgentTools): Promise<PendingApproval[]> {
    const setting = toolSetting(tools);
    const found: PendingApproval[] = [];
    for (const call of calls) {
      if (!(await needsApproval(call, setting))) continue;
      const expiresInMs = toolOf(tools, call.toolName)?.approvalExpiresInMs;
      const expiry = expiresInMs === undefined ? {} : { expiresAt: Date.now() + expiresInMs };
      found.push({ ...call, approvalId: `approval-${call.toolCallId}`, ...expiry });
    }
    return found;
  }

  function ended(finishReason: RunFinishReason, approvals: readonly PendingApproval[] = []): TurnEnd {
    const message = messages.findLast((one) => one.role === "assistant");
    const last = steps.at(-1);
    return {
      text: last?.text ?? (message ? textOf(message) : ""),
      ...(message && { message }),
      finishReason,
      usage,
      steps,
      approvals,
    };
  }

  function step(answer: ModelAnswer, toolResults: readonly ToolResultInfo[]): void {
    const { text, finishReason, usage: spent, calls: toolCalls } = answer;
    const made: AgentStep = { text, finishReason, usage: spent, toolCalls, toolResults };
    steps.push(made);
    emit({ type: "step", index: steps.length - 1, step: made });
  }

  async function oneStep(isLast: boolean): Promise<TurnEnd | undefined> {
    const { tools, instructions } = kit();
    const answer = await answered(tools, instructions);
    usage = addUsage(usage, answer.usage);
    const cost = isSpent(answer.usage) ? { usage: answer.usage } : {};
    const { calls, refused, finishReason } = answer;
    const approvals = await requests(calls, tools).catch(async (error: unknown) => {
      await keepPartial(answer.text);
      throw error;
    });
    const message = withRequests(answer.message, approvals);
    const said: Message[] = [...(message ? [message] : []), ...refused];
    if (answer.message) messages.push(...modelMessages([answer.message], session.id));
    messages.push(...refused);

    if (calls.length === 0 && refused.length === 0) {
      await turn.end(said, cost);
      step(answer, []);
      return ended(finishReason);
    }
    if (calls.length > 0 && approvals.length === calls.length) {
      await turn.park(said, cost);
      ask(approvals);
      step(answer, []);
      return ended("approval", approvals);
    }
    await turn.append(said, cost);
    ask(approvals);
    saved.push(`step ${steps.length + 1} of the model`);
    const waits = new Set(approvals.map(({ toolCallId }) => toolCallId));
    const ready = calls.filter(({ toolCallId }) => !waits.has(toolCallId));
    const own = ready.filter(({ toolName }) => toolOf(tools, toolName)?.execute !== undefined);
    const { results, infos } = await runTools(own, tools);
    messages.push(...modelMessages(results, session.id));
    step(answer, infos);
    if (approvals.length > 0) {
      await turn.park();
      return ended("approval", approvals);
    }
    // Those without `execute` are for the caller to run.
    if (own.length < ready.length || isLast) {
      await turn.end();
      return ended(isLast ? "max-steps" : "tool-calls");
    }
    return undefined;
  }

  return {
    async run(occasion: Occasion): Promise<TurnEnd> {
      await run.begin();
      await enterOnlyRoute();
      const left = await start(occasion);
      if (left.length > 0) {
        ask(left);
        return ended("approval", left);
      }
      const last = messages.at(-1);
      if (occasion.kind === "resume" && last?.role === "assistant") {
        // A turn that was answered already only lacks its end. Part of an answer is none: the model begins it anew.
        if (!isPartial(last)) {
          await turn.end();
          return ended("stop");
        }
        messages.pop();
      }
      for (let count = 1; ; count += 1) {
        const end = await oneStep(count >= agent.maxSteps);
        if (end) return end;
      }
    },
    stop: (reason: unknown) => stopped.abort(reason),
    /** A store that fails leaves part of a turn; whoever is told of the failure is told which. */
    explained(error: unknown): unknown {
      if (!HoldfastError.is(error) || error.store === undefined || saved.length === 0) return error;
      return new HoldfastError(error.code, `${error.message}; of this turn, saved are: ${saved.join(", ")}`, {
        sessionId: error.sessionId ?? session.id,
        store: error.store,
        retryable: error.retryable,
        cause: error,
      });
    },
  };

  /** With one route there is nothing to choose. One that was completed stays so. */
  async function enterOnlyRoute(): Promise<void> {
    const [only, another] = agent.routes;
    if (!only || another || session.record.route || isCompleted(session.record, only.route.id)) return;
    if (lastRouteOf(session.record) === only.route.id) return;
    await Promise.all(entering(only, run.plainSession));
    await told(only, run.plainSession, run.routes);
  }
}

function isPartial({ content }: AssistantModelMessage): boolean {
  return (
    typeof content !== "string" &&
    content.some((part) => "providerOptions" in part && part.providerOptions?.holdfast?.partial === true)
  );
}

function withRequests(
  message: AssistantModelMessage | undefined,
  approvals: readonly PendingApproval[],
): Message | undefined {
  if (!message || approvals.length === 0) return message;
  const content =
    typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
  return { ...message, content: [...content, ...approvals.map(requestPart)] };
}
