/**
 * @module
 * Agents: a model with tools and a memory that survives the process.
 */
import { isDeepStrictEqual } from "node:util";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import { checkId } from "../log/values.ts";
import { createStore } from "../session/defaults.ts";
import { checkCount } from "../session/input.ts";
import { createSessions } from "../session/sessions.ts";
import { storedAs } from "../session/typed.ts";
import type { Message, Session, Sessions } from "../session/types.ts";
import { createChat } from "./chat.ts";
import { checkOptions, checkWait } from "./check-options.ts";
import { eventsOf } from "./events.ts";
import { promptMessages } from "./messages.ts";
import { pendingCalls, waiting } from "./pending.ts";
import { checkToolNames } from "./route-tools.ts";
import { knownRoute } from "./routes.ts";
import type { RunRequest } from "./run.ts";
import { runOnce } from "./run.ts";
import type { AgentSetting } from "./setting.ts";
import { subAgentTool } from "./sub-agent.ts";
import { observedRun } from "./telemetry.ts";
import { turnContext } from "./turn-context.ts";
import type { Agent, AgentOptions, AgentResult, PendingApproval, Prompt, RunOptions } from "./types.ts";

const MAX_STEPS = 20;
const TOOL_TIMEOUT_MS = 120_000;
const MAX_TOOL_RESULT_BYTES = 1_000_000;

/**
 * An agent on the AI SDK whose sessions persist by themselves. Each message is committed as it completes, before what
 * comes next begins: the user's before the model is called, the model's before its tools run, a tool's result before
 * the model sees it. A process may die at any moment; `resume`, or the next `run`, goes on from what is committed.
 *
 * Its calls fail with what the model or a tool of the AI SDK fails with, as it is, once the turn is closed in the log;
 * with the store's error, saying what of the turn is saved; or with TURN_IN_PROGRESS, SESSION_NOT_FOUND (another
 * user's, too) and INVALID_ARGUMENT.
 *
 * @throws INVALID_ARGUMENT for options that make no sense.
 * @example
 * ```ts
 * import { createAgent, offlineModel } from "holdfast/agent";
 * import { sqliteStore } from "holdfast/sqlite";
 *
 * const agent = createAgent({ name: "chat", model: offlineModel(), store: sqliteStore({ path: "./chat.db" }) });
 * await agent.run("My name is Alice.", { sessionId: "s-1" });
 * const { text } = await agent.run("What is my name?", { sessionId: "s-1" });
 * ```
 */
export function createAgent<D extends object = Record<string, unknown>>(options: AgentOptions<D>): Agent<D> {
  const name = checkId(options.name, "name of the agent");
  const { routes = [], tools = {}, maxSteps = MAX_STEPS, history = {} } = options;
  if (options.sessions && (options.store || options.data))
    throw invalidArgument("give the agent either sessions, or a store and the schema of its data");
  if (routes.length > 0) checkToolNames(tools);
  if (new Set(routes.map(({ id }) => id)).size < routes.length)
    throw invalidArgument("two routes have the same id; name each differently");
  checkCount(maxSteps, "maxSteps", 1);
  checkOptions({ ...options, tools, history });
  const { compaction, ...window } = history;
  const hasSessions = options.sessions !== undefined || options.store !== undefined;

  let own: Sessions<Message, D> | undefined;
  const sessionsOf = (): Sessions<Message, D> => {
    // What the AI SDK calls a message is one of ours.
    if (options.sessions) return storedAs<Sessions<Message, D>>(options.sessions);
    own ??= createSessions<Message, D>({
      ...(options.store && { store: options.store }),
      ...(options.data && { data: options.data }),
      ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
    });
    return own;
  };
  const scoped = (userId: string | undefined): Sessions<Message, D> =>
    userId === undefined ? sessionsOf() : sessionsOf().forUser(userId);

  let setting: Promise<AgentSetting<D>> | undefined;
  const ready = (): Promise<AgentSetting<D>> => {
    setting ??= Promise.all(routes.map(knownRoute)).then((known) => ({
      options,
      routes: known,
      maxSteps,
      toolTimeoutMs: options.toolTimeoutMs ?? TOOL_TIMEOUT_MS,
      maxToolResultBytes: options.maxToolResultBytes ?? MAX_TOOL_RESULT_BYTES,
      window,
    }));
    return setting;
  };

  /** Opens the session that a run names, or makes it. */
  async function openFor(run: RunOptions<D>, create = true): Promise<Session<Message, D>> {
    const { sessionId, userId, data, metadata, label, expiresInMs } = run;
    const sessions = scoped(userId);
    const init = {
      agent: name,
      ...(data && { data }),
      ...(metadata && { metadata }),
      ...(label !== undefined && { label }),
      ...(expiresInMs !== undefined && { expiresInMs }),
    };
    if (sessionId === undefined) return sessions.create(init);
    const session = await sessions
      .open(sessionId, { ...(create && { create: init }) })
      .catch((error: unknown) => {
        // Another user's is not found, as without `create`; who asks is not told that it exists.
        if (userId !== undefined && HoldfastError.is(error, "SESSION_EXISTS"))
          return sessions.open(sessionId);
        throw error;
      });
    await bring(session, { data, ...(session.record.version > 1 && { expiresInMs }) });
    return session;
  }

  /** What a run brings along for a session that is there. */
  async function bring(
    session: Session<Message, D>,
    { data, expiresInMs }: Pick<RunOptions<D>, "data" | "expiresInMs">,
  ): Promise<void> {
    const isKnown = isDeepStrictEqual({ ...session.data, ...data }, { ...session.data });
    await Promise.all([
      data && !isKnown && session.setData(data),
      expiresInMs !== undefined && session.touch({ expiresInMs }),
    ]);
  }

  /** A session that lasts as long as one run. */
  async function passing(run: RunOptions<D>): Promise<Session<Message, D>> {
    const { data, userId } = run;
    const sessions = createSessions<Message, D>({
      store: createStore("memory"),
      ...(options.data && { data: options.data }),
    });
    return sessions.create({ ...(data && { data }), ...(userId !== undefined && { userId }) });
  }

  async function perform(
    session: Session<Message, D>,
    isStateless: boolean,
    occasion: RunRequest<D>["occasion"],
    run: RunRequest<D>["options"],
    onStarted?: () => void,
    sessions = isStateless ? undefined : scoped(session.record.userId),
  ): Promise<AgentResult<D>> {
    checkWait(run.turnWaitMs);
    const report = (operation: string, error: unknown): void => {
      process.emitWarning(
        `${operation} of session ${JSON.stringify(session.id)} failed: ${String(error)}`,
        "HoldfastWarning",
      );
    };
    return runOnce(await ready(), {
      session,
      sessions,
      isStateless,
      occasion,
      options: run,
      report,
      onStarted,
    });
  }

  async function run(prompt: Prompt, given: RunOptions<D> = {}): Promise<AgentResult<D>> {
    const messages = promptMessages(prompt);
    checkWait(given.turnWaitMs);
    given.signal?.throwIfAborted();
    const isStateless = given.sessionId === undefined && !hasSessions;
    return traced(given.sessionId, messages, async () => {
      const session = isStateless ? await passing(given) : await openFor(given);
      return perform(session, isStateless, { kind: "prompt", messages }, given);
    });
  }

  /** What a run does, watched by the agent's telemetry. */
  function traced(
    sessionId: string | undefined,
    input: unknown,
    work: () => Promise<AgentResult<D>>,
  ): Promise<AgentResult<D>> {
    const { telemetry, model } = options;
    return observedRun({ name, model, ...(telemetry && { telemetry }) }, sessionId, input, work);
  }

  async function openTurn(sessionId: string, userId: string | undefined): Promise<Session<Message, D>> {
    const session = await scoped(userId).open(sessionId);
    if (session.record.turn) return session;
    throw invalidArgument(
      `session ${JSON.stringify(sessionId)} has no open turn to go on with; run the agent on it`,
      sessionId,
    );
  }

  async function approvalsIn(session: Session<Message, D>): Promise<PendingApproval[]> {
    const { window: own } = await ready();
    return waiting(pendingCalls(await turnContext(session, own)), Date.now());
  }

  const agent: Agent<D> = {
    name,
    get sessions() {
      return sessionsOf();
    },
    run,
    stream: (prompt, given = {}) =>
      eventsOf((push, left) =>
        run(prompt, {
          ...given,
          signal: given.signal ? AbortSignal.any([given.signal, left]) : left,
          onEvent(event) {
            given.onEvent?.(event);
            push(event);
          },
        }),
      ),
    async open(sessionId, { create = true, ...given } = {}) {
      const session = await openFor({ ...given, ...(sessionId !== undefined && { sessionId }) }, create);
      return createChat(agent, session, given, (messages, options, onStarted) =>
        traced(session.id, messages, async () => {
          // Another process may have left a turn since the chat was opened.
          await session.refresh();
          await bring(session, options);
          return perform(session, false, { kind: "prompt", messages }, options, onStarted);
        }),
      );
    },
    resume: (sessionId, given = {}) =>
      traced(sessionId, undefined, async () => {
        const session = await openTurn(sessionId, given.userId);
        return perform(session, false, { kind: "resume" }, given);
      }),
    async approve(sessionId, answer, given = {}) {
      const session = await scoped(given.userId).open(sessionId);
      const pending = session.record.turn
        ? pendingCalls(await turnContext(session, (await ready()).window))
        : [];
      const asked = pending.find(({ toolCallId }) => toolCallId === answer.toolCallId);
      if (!asked?.request || asked.isApproved !== undefined) {
        throw invalidArgument(
          `tool call ${JSON.stringify(answer.toolCallId)} of session ${JSON.stringify(sessionId)} waits for no approval; it was answered, or the conversation went on without it`,
          sessionId,
        );
      }
      return traced(sessionId, undefined, () => perform(session, false, { kind: "approve", answer }, given));
    },
    async approvals(sessionId, { userId } = {}) {
      const session = await scoped(userId).open(sessionId);
      return session.record.turn ? approvalsIn(session) : [];
    },
    async fork(sessionId, { userId, ...at } = {}) {
      const forked = await scoped(userId).fork(sessionId, at);
      return agent.open(forked.id, { userId });
    },
    asTool: ({ description }) =>
      subAgentTool(agent, description, (session, sessions, occasion, given) =>
        traced(session.id, occasion.kind === "prompt" ? occasion.messages : undefined, () =>
          perform(session, false, occasion, given, undefined, sessions),
        ),
      ),
    async close() {
      await own?.close();
    },
    [Symbol.asyncDispose]: () => agent.close(),
  };
  return agent;
}
