/**
 * @module
 * One run of an agent: from a session and an occasion to a result. The lease, the wait for it, the hooks around it.
 */
import { setTimeout } from "node:timers/promises";
import type { ModelMessage } from "ai";
import { HoldfastError } from "../log/errors.ts";
import { storedAs } from "../session/typed.ts";
import type { Message, Session, Sessions, Turn } from "../session/types.ts";
import { routeListener } from "./route-events.ts";
import { isCompleted, lastRouteOf } from "./routes.ts";
import type { AgentSetting, RunSetting } from "./setting.ts";
import type { Occasion } from "./settle.ts";
import type { TurnEnd } from "./turn-loop.ts";
import { runTurnLoop } from "./turn-loop.ts";
import type { AgentEvent, AgentResult, RunContext, RunOptions } from "./types.ts";
import { compactIfLong, entitle, isUntitled } from "./upkeep.ts";

/** How often a run looks whether the turn that it waits for is over. */
const POLL_MS = 25;
const MAX_POLL_MS = 250;

export interface RunRequest<D extends object> {
  readonly session: Session<Message, D>;
  /** Those that it is one of, unless the run is stateless. */
  readonly sessions: Sessions<Message, D> | undefined;
  readonly isStateless: boolean;
  readonly occasion:
    | { readonly kind: "prompt"; readonly messages: readonly ModelMessage[] }
    | Exclude<Occasion, { kind: "prompt" }>;
  readonly options: Omit<RunOptions<D>, "sessionId" | "data" | "metadata">;
  /** Told of what goes wrong once the turn is committed. */
  readonly report: (operation: string, error: unknown) => void;
  /** Called once the turn is begun, with its prompt. */
  readonly onStarted?: (() => void) | undefined;
}

/** Runs a turn under its lease, and what follows it. */
export async function runOnce<D extends object>(
  agent: AgentSetting<D>,
  request: RunRequest<D>,
): Promise<AgentResult<D>> {
  const { session, isStateless, occasion, options, report } = request;
  const emit = options.onEvent ?? (() => undefined);
  const isNew =
    session.label === undefined || (occasion.kind !== "prompt" && (await isUntitled(agent, session)));
  const run = runSetting(agent, request, emit);
  const isAfterCrash = session.record.turn !== undefined;
  const end = await withTurn(agent, request, (turn) =>
    runTurnLoop(agent, run, turn, occasion.kind === "prompt" ? { kind: "prompt", isAfterCrash } : occasion),
  );
  const result = resultOf(session, isStateless, end);
  if (!isStateless && end.finishReason !== "approval") {
    await compactIfLong(agent, session).catch((error: unknown) => report("compacting the history", error));
    if (isNew)
      await entitle(agent, session).catch((error: unknown) => report("giving the session a title", error));
  }
  emit({ type: "done", result });
  if (end.finishReason !== "approval") await agent.options.hooks?.afterRun?.(result, run.context);
  return result;
}

/** Takes the turn, waiting for another one's to end for as long as the caller allows. */
async function withTurn<D extends object>(
  agent: AgentSetting<D>,
  { session, occasion, options, onStarted }: RunRequest<D>,
  work: (turn: Turn) => Promise<TurnEnd>,
): Promise<TurnEnd> {
  const { signal, turnWaitMs = agent.options.turnWaitMs ?? 0 } = options;
  const { leaseMs, owner } = agent.options;
  const until = performance.now() + turnWaitMs;
  let isBegun = false;
  for (let waitMs = POLL_MS; ; waitMs = Math.min(waitMs * 2, MAX_POLL_MS)) {
    try {
      return await session.turn(
        (turn) => {
          isBegun = true;
          onStarted?.();
          return work(turn);
        },
        {
          ...(leaseMs !== undefined && { leaseMs }),
          ...(owner !== undefined && { owner }),
          ...(signal && { signal }),
          ...(occasion.kind === "prompt"
            ? { messages: storedAs<Message[]>(occasion.messages) }
            : { resume: true }),
        },
      );
    } catch (error) {
      const leftMs = until - performance.now();
      if (isBegun) throw error;
      if (leftMs <= 0 || !HoldfastError.is(error, "TURN_IN_PROGRESS")) throw unbegun(error, session.id);
      await setTimeout(Math.min(waitMs, leftMs), undefined, signal && { signal }).catch(
        (stopped: unknown) => {
          // A timer rejects with an error of its own.
          signal?.throwIfAborted();
          throw stopped;
        },
      );
    }
  }
}

/** A store that fails before the turn has begun leaves nothing of it, and says so. */
function unbegun(error: unknown, sessionId: string): unknown {
  if (!HoldfastError.is(error) || error.store === undefined) return error;
  return new HoldfastError(error.code, `${error.message}; of this turn, nothing is saved`, {
    sessionId: error.sessionId ?? sessionId,
    store: error.store,
    retryable: error.retryable,
    cause: error,
  });
}

function runSetting<D extends object>(
  agent: AgentSetting<D>,
  { session, sessions, isStateless, options }: RunRequest<D>,
  emit: (event: AgentEvent<D>) => void,
): RunSetting<D> {
  const { hooks, tools = {}, instructions, name } = agent.options;
  let own: Readonly<Record<string, unknown>> = { ...agent.options.context, ...options.context };
  let prompt = "";
  const userId = session.record.userId ?? options.userId;
  const context: RunContext<D> = {
    agent: name,
    ...(!isStateless && { session, sessionId: session.id }),
    ...(userId !== undefined && { userId }),
    get data() {
      return session.data;
    },
    get context() {
      return own;
    },
  };
  const plainSession = storedAs<Session>(session);
  return {
    session,
    plainSession,
    plainSessions: sessions && storedAs<Sessions>(sessions),
    isStateless,
    context,
    tools,
    get instructions() {
      return prompt;
    },
    routes: routeListener(session, hooks, context, emit),
    async begin() {
      const more = await hooks?.beforeRun?.(context);
      if (typeof more === "object" && more !== null) own = { ...own, ...more };
      prompt = typeof instructions === "function" ? await instructions(context) : (instructions ?? "");
    },
    emit,
  };
}

function resultOf<D extends object>(
  session: Session<Message, D>,
  isStateless: boolean,
  end: TurnEnd,
): AgentResult<D> {
  const { record } = session;
  const route = lastRouteOf(record);
  return {
    ...end,
    ...(!isStateless && { session, sessionId: session.id }),
    data: session.data,
    ...(route !== undefined && { route }),
    isRouteComplete: isCompleted(record, route),
  };
}
