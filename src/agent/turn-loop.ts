/**
 * @module
 * The turn loop: the model is called, what it says is committed, its tools run, their results are committed, until it
 * has answered. Whatever comes next is begun only once what it depends on is in the log.
 */
import type { AssistantModelMessage } from "ai";
import { HoldfastError } from "../log/errors.ts";
import { addUsage } from "../log/evolve.ts";
import type { Usage } from "../log/record.ts";
import { NO_USAGE } from "../log/record.ts";
import { repair } from "../log/repair.ts";
import type { Message, Turn } from "../session/types.ts";
import { isSpent, modelMessages, textOf } from "./messages.ts";
import type { ModelAnswer, ModelListener, ModelRequest } from "./model-call.ts";
import { callModel, ModelCallError } from "./model-call.ts";
import { requestPart } from "./pending.ts";
import { entering, routeKit, told } from "./route-tools.ts";
import { isCompleted, lastRouteOf } from "./routes.ts";
import type { AgentSetting, RunSetting } from "./setting.ts";
import type { Occasion } from "./settle.ts";
import { settle } from "./settle.ts";
import { observed } from "./telemetry.ts";
import { approvalsFor, onlyRead, runTools } from "./tool-round.ts";
import { toolOf } from "./tools.ts";
import { turnContext } from "./turn-context.ts";
import type { TurnState } from "./turn-state.ts";
import type { AgentStep, AgentTools, PendingApproval, RunFinishReason, ToolResultInfo } from "./types.ts";

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
  const state: TurnState<D> = {
    agent,
    run,
    turn,
    signal,
    stop: (reason) => stopped.abort(reason),
    steps: [],
    saved: turn.resumed ? [] : ["the prompt"],
    messages: [],
    usage: NO_USAGE,
  };
  const { steps, saved } = state;

  async function start(occasion: Occasion): Promise<readonly PendingApproval[]> {
    const stored =
      occasion.kind === "prompt"
        ? await session.context({ ...agent.window, repair: false })
        : await turnContext(session, agent.window);
    const settled =
      occasion.kind === "prompt" && !occasion.isAfterCrash ? [] : await settle(state, stored, occasion);
    if ("waiting" in settled) return settled.waiting;
    const all = repair([...stored, ...settled].map((message) => ({ ...message })));
    state.messages = modelMessages(all, session.id);
    return [];
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
      return await observedCall(
        {
          model: agent.options.model,
          instructions,
          messages: state.messages,
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

  function observedCall(request: ModelRequest, listener: ModelListener): Promise<ModelAnswer> {
    const { messages: input, instructions } = request;
    const work = { operation: "chat", sessionId: run.context.sessionId, input, instructions } as const;
    return observed(agent.options, work, async (tell) => {
      const answer = await callModel(request, listener).catch((error: unknown) => {
        if (error instanceof ModelCallError) tell({ error: error.cause });
        throw error;
      });
      const { usage, finishReason, message: output } = answer;
      tell({ usage, finishReason, output });
      return answer;
    });
  }

  async function keepPartial(text: string): Promise<void> {
    if (text === "") return;
    await turn.append({ role: "assistant", content: [{ type: "text", text, providerOptions: PARTIAL }] });
    saved.push("the part of the answer that had come");
  }

  function ended(finishReason: RunFinishReason, approvals: readonly PendingApproval[] = []): TurnEnd {
    const message = state.messages.findLast((one) => one.role === "assistant");
    const last = steps.at(-1);
    return {
      text: last?.text ?? (message ? textOf(message) : ""),
      ...(message && { message }),
      finishReason,
      usage: state.usage,
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
    state.usage = addUsage(state.usage, answer.usage);
    const cost = isSpent(answer.usage) ? { usage: answer.usage } : {};
    const { calls, refused, finishReason } = answer;
    const approvals = await approvalsFor(state, calls, tools).catch(async (error: unknown) => {
      await keepPartial(answer.text);
      throw error;
    });
    const message = withRequests(answer.message, approvals);
    const said: Message[] = [...(message ? [message] : []), ...refused];
    if (answer.message) state.messages.push(...modelMessages([answer.message], session.id));
    state.messages.push(...refused);

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
    const commitCalls = async (): Promise<void> => {
      await turn.append(said, cost);
      saved.push(`step ${steps.length + 1} of the model`);
      ask(approvals);
    };
    const waits = new Set(approvals.map(({ toolCallId }) => toolCallId));
    const ready = calls.filter(({ toolCallId }) => !waits.has(toolCallId));
    const own = ready.filter(({ toolName }) => toolOf(tools, toolName)?.execute !== undefined);
    const isHeld = own.length > 0 && onlyRead(calls, tools);
    if (!isHeld) await commitCalls();
    const { results, infos } = await runTools(state, own, tools, isHeld ? { commitCalls } : {});
    state.messages.push(...modelMessages(results, session.id));
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
      const last = state.messages.at(-1);
      if (occasion.kind === "resume" && last?.role === "assistant") {
        // A turn that was answered already only lacks its end. Part of an answer is none: the model begins it anew.
        if (!isPartial(last)) {
          await turn.end();
          return ended("stop");
        }
        state.messages.pop();
      }
      for (let count = 1; ; count += 1) {
        const end = await oneStep(count >= agent.maxSteps);
        if (end) return end;
      }
    },
    stop: state.stop,
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
