/**
 * @module
 * The tools of one step: run side by side, each result committed as it comes, with what it brings.
 */
import { HoldfastError } from "../log/errors.ts";
import { addUsage } from "../log/evolve.ts";
import type { Message } from "../session/types.ts";
import { isErrorOutput, isSpent, resultMessage } from "./messages.ts";
import { COLLECT_DATA, ENTER_ROUTE } from "./route-tools.ts";
import { observed } from "./telemetry.ts";
import type { ToolOutcome, ToolSetting } from "./tools.ts";
import { needsApproval, runTool, toolOf } from "./tools.ts";
import type { TurnState } from "./turn-state.ts";
import type { AgentTools, PendingApproval, ToolCallInfo, ToolResultInfo } from "./types.ts";

export interface ToolRound {
  readonly results: Message[];
  readonly infos: ToolResultInfo[];
}

/** The calls that must wait for somebody's approval. */
export async function approvalsFor<D extends object>(
  state: TurnState<D>,
  calls: readonly ToolCallInfo[],
  tools: AgentTools,
): Promise<PendingApproval[]> {
  const setting = toolSetting(state, tools);
  const found: PendingApproval[] = [];
  for (const call of calls) {
    if (!(await needsApproval(call, setting))) continue;
    const expiresInMs = toolOf(tools, call.toolName)?.approvalExpiresInMs;
    const expiry = expiresInMs === undefined ? {} : { expiresAt: Date.now() + expiresInMs };
    found.push({ ...call, approvalId: `approval-${call.toolCallId}`, ...expiry });
  }
  return found;
}

/** How long what the model said waits for results at most; a look-up is nearly always done by then. */
const MAX_HELD_MS = 50;

export interface RoundOptions {
  /** Whether the calls were stored by a process that has died, or that ended while they waited. */
  readonly isRecovered?: boolean;
  /** Commits what the model said; given where that may go into one commit with the results. */
  readonly commitCalls?: () => Promise<void>;
}

/** Whether nothing has to be known of `calls` before they begin. */
export function onlyRead(calls: readonly ToolCallInfo[], tools: AgentTools): boolean {
  return calls.every(({ toolName }) => toolOf(tools, toolName)?.readOnly === true);
}

/** Runs calls side by side, but for those that move the session along its routes: these in turn, and first. */
export async function runTools<D extends object>(
  state: TurnState<D>,
  calls: readonly ToolCallInfo[],
  tools: AgentTools,
  { isRecovered = false, commitCalls }: RoundOptions = {},
): Promise<ToolRound> {
  const setting = toolSetting(state, tools);
  const results: Message[] = [];
  const infos: ToolResultInfo[] = [];
  const gate = createGate(commitCalls);
  const one = async (call: ToolCallInfo): Promise<void> => {
    const done = await gate(observedTool(state, call, setting, isRecovered), (outcome) =>
      commitResult(state, call, outcome),
    );
    results.push(done.message);
    infos.push(done.info);
    state.run.emit({ type: "tool-result", ...done.info });
  };
  const isOfRoutes = ({ toolName }: ToolCallInfo): boolean =>
    toolName === COLLECT_DATA || toolName === ENTER_ROUTE;
  for (const call of calls.filter(isOfRoutes)) await one(call);
  const running = calls.filter((call) => !isOfRoutes(call)).map(one);
  // One that fails the turn ends the others; they are waited for, so that what they record is recorded.
  for (const work of running) work.catch(state.stop);
  const ends = await Promise.allSettled(running);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
  return { results, infos };
}

function observedTool<D extends object>(
  { agent, run }: TurnState<D>,
  call: ToolCallInfo,
  setting: ToolSetting,
  isRecovered: boolean,
): Promise<ToolOutcome> {
  const { toolCallId, input } = call;
  const toolName = toolOf(setting.tools, call.toolName) && call.toolName;
  const { sessionId } = run.context;
  const work = { operation: "execute_tool", sessionId, toolName, toolCallId, input } as const;
  return observed(agent.options, work, async (tell) => {
    const outcome = await runTool(call, setting, isRecovered);
    tell({ isError: isErrorOutput(outcome.output), output: outcome.output });
    return outcome;
  });
}

/** Runs `work`, then `commit` with what it gave. */
type Gate = <T, R>(work: Promise<T>, commit: (given: T) => Promise<R>) => Promise<R>;

/**
 * Opens once no work runs any more, or the time is up. What the model said goes through first, and the results that waited
 * in the microtasks right after it: so the session's writer makes one commit of them.
 */
function createGate(commitCalls: (() => Promise<void>) | undefined): Gate {
  if (!commitCalls) return async (work, commit) => commit(await work);
  const opened = Promise.withResolvers<void>();
  const timer = setTimeout(opened.resolve, MAX_HELD_MS);
  const committed = opened.promise.then(commitCalls);
  let running = 0;
  return async (work, commit) => {
    running += 1;
    const [ended] = await Promise.allSettled([work]);
    running -= 1;
    if (running === 0) {
      clearTimeout(timer);
      opened.resolve();
    }
    await opened.promise;
    if (ended.status === "fulfilled") {
      const [done] = await Promise.all([commit(ended.value), committed]);
      return done;
    }
    await committed;
    throw ended.reason;
  };
}

/** The result and what comes with it go into one commit. */
async function commitResult<D extends object>(
  state: TurnState<D>,
  call: ToolCallInfo,
  { output, effects }: ToolOutcome,
): Promise<{ message: Message; info: ToolResultInfo }> {
  const { run, turn } = state;
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
    return commitResult(state, call, { output: { type: "error-text", value }, effects: {} });
  }
  state.saved.push(`the result of ${call.toolName}`);
  if (spent) state.usage = addUsage(state.usage, spent);
  const refused = changed.find((one) => one.status === "rejected");
  if (!refused) {
    await after?.();
    return { message, info: { ...call, output, isError: isErrorOutput(output) } };
  }
  if (!HoldfastError.is(refused.reason, "INVALID_DATA")) throw refused.reason;
  // The session's own schema refused what the route's accepted: then the model is told that, in the same place.
  const corrected = resultMessage(call, { type: "error-text", value: refused.reason.message });
  await run.session.revise(appended.value.ids[0] ?? "", corrected);
  return { message: corrected, info: { ...call, output: { type: "error-text" }, isError: true } };
}

function toolSetting<D extends object>(state: TurnState<D>, tools: AgentTools): ToolSetting {
  const { agent, run, messages, signal } = state;
  const { session } = run;
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
    async onGivenUp({ usage }) {
      if (usage && isSpent(usage)) await session.addUsage(usage);
    },
  };
}
