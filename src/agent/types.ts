/**
 * @module
 * What users of agents hold: options, results, events. `agent.ts` makes agents.
 */
import type {
  AssistantModelMessage,
  FinishReason,
  LanguageModel,
  ModelMessage,
  streamText,
  ToolModelMessage,
  ToolSet,
  UserModelMessage,
} from "ai";
import type { Usage } from "../log/record.ts";
import type { DataSchema } from "../session/data.ts";
import type { StoreSource } from "../session/defaults.ts";
import type { ContextOptions, ForkOptions, Message, Session, Sessions } from "../session/types.ts";
import type { Route } from "./routes.ts";
import type { AgentTelemetry } from "./telemetry.ts";

/** What Holdfast needs to know of a tool beside what the AI SDK does. */
export interface ToolPolicy {
  /**
   * Whether a call may run again that a crash interrupted: it only reads, or repeating it changes nothing. Otherwise
   * the model is told that it was interrupted. Default false.
   */
  readonly idempotent?: boolean;
  /**
   * Whether it changes nothing at all: a look-up, a search, a file that is read. Then it may run again too, and what the
   * model said is committed together with the results, for nothing has to be known of a call before it begins. Default
   * false.
   */
  readonly readOnly?: boolean;
  /** How long one call may take. Default: the agent's `toolTimeoutMs`. */
  readonly timeoutMs?: number;
  /** How long an approval can be given; later it counts as denied. Default: for ever. */
  readonly approvalExpiresInMs?: number;
}

/** Tools of the AI SDK by name. Those with `needsApproval` park the turn until `approve` is called. */
export type AgentTools = Readonly<Record<string, ToolSet[string] & ToolPolicy>>;

/** What a tool's `execute` gets beside its input: all that the AI SDK gives, and the run that it is part of. */
export interface ToolRun {
  readonly toolCallId: string;
  readonly messages: ModelMessage[];
  /** Always there; optional so that a tool of the AI SDK may name this type. */
  readonly abortSignal?: AbortSignal | undefined;
  readonly context: Readonly<Record<string, unknown>>;
  /** Absent in a run without a session. */
  readonly session?: Session;
  /** Those that it is one of, its user's only. */
  readonly sessions?: Sessions;
  readonly sessionId?: string;
  readonly userId?: string;
}

/** What the user says: a text, or messages of the AI SDK; or the results of tools that run elsewhere. */
export type Prompt = string | PromptMessage | readonly PromptMessage[];
type PromptMessage = UserModelMessage | ToolModelMessage;

/** Settings of `streamText` that are passed on as they are: temperature, maxOutputTokens, providerOptions, … */
export type ModelSettings = Pick<
  Parameters<typeof streamText>[0],
  | "maxOutputTokens"
  | "temperature"
  | "topP"
  | "topK"
  | "presencePenalty"
  | "frequencyPenalty"
  | "stopSequences"
  | "seed"
  | "reasoning"
  | "maxRetries"
  | "headers"
  | "providerOptions"
  | "toolChoice"
  | "telemetry"
>;

/** When to let a summary stand for the older messages. The originals stay in the log. */
export interface CompactionOptions {
  /** After a turn that leaves more messages than this to send. */
  readonly afterMessages?: number;
  /** After a turn that leaves more tokens than this to send, as `countTokens` of the history counts them. */
  readonly afterTokens?: number;
  /** How many of the newest messages are left as they are. Default 10. */
  readonly keepLast?: number;
  /** A model, or a function from the messages to their summary. Default: the agent's model. */
  readonly summarize?: LanguageModel | ((messages: Message[]) => Promise<string | Message>);
}

export interface HistoryOptions extends ContextOptions {
  readonly compaction?: CompactionOptions;
}

/** What a run is about, for instructions and hooks. */
export interface RunContext<D extends object = Record<string, unknown>> {
  readonly agent: string;
  readonly session?: Session<Message, D>;
  readonly sessionId?: string;
  readonly userId?: string;
  readonly data: Readonly<Partial<D>>;
  /** The run's own, from `context` of the agent and of the run, and what `beforeRun` made of it. */
  readonly context: Readonly<Record<string, unknown>>;
}

export interface AgentHooks<D extends object = Record<string, unknown>> {
  /** Before the model is called first. What it answers with is added to the run's context. */
  beforeRun?(run: RunContext<D>): unknown;
  /** After the turn is committed. A failure here fails the run, not the turn. */
  afterRun?(result: AgentResult<D>, run: RunContext<D>): unknown;
  /** After collected data was saved. */
  onDataChange?(data: Readonly<Partial<D>>, previous: Readonly<Partial<D>>, run: RunContext<D>): unknown;
}

export interface AgentOptions<D extends object = Record<string, unknown>> {
  /** Kept with each session as its `agent`. */
  readonly name: string;
  /** The system prompt. Sent with each call and never stored. */
  readonly instructions?: string | ((run: RunContext<D>) => string | Promise<string>);
  /** Any language model of the AI SDK, or its gateway id. */
  readonly model: LanguageModel;
  readonly tools?: AgentTools;
  /** Where its sessions are. Without, and without `store`, a run that names no session is stateless. */
  readonly sessions?: Sessions<Message, D> | Sessions<ModelMessage, D>;
  /** A store to keep sessions in, in place of `sessions`. */
  readonly store?: StoreSource;
  /** The schema of the sessions' data, with `store`. */
  readonly data?: DataSchema<D>;
  readonly routes?: readonly Route[];
  /** Calls of the model in one turn, at most. Default 20. */
  readonly maxSteps?: number;
  /** What of the conversation the model is sent. Default: all of it. */
  readonly history?: HistoryOptions;
  readonly hooks?: AgentHooks<D>;
  /** Given to instructions, hooks and tools. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Names a new session once its first turn is over: a model, or a function. Without: its first words are its label. */
  readonly title?: LanguageModel | ((messages: Message[]) => string | Promise<string>);
  readonly settings?: ModelSettings;
  /** Told of each run, call of a model and call of a tool: `agentTelemetry` of `holdfast/otel`, or one of your own. */
  readonly telemetry?: AgentTelemetry;
  /** Default 120,000. */
  readonly toolTimeoutMs?: number;
  /** A longer result is not stored or sent; the model is told so. Default 1,000,000. */
  readonly maxToolResultBytes?: number;
  /** How long a run waits for another one's turn on the session to end before TURN_IN_PROGRESS. Default 0. */
  readonly turnWaitMs?: number;
  /** Default: the sessions' `leaseMs`. */
  readonly leaseMs?: number;
  /** Who works on its turns, for the message that others get; no two live workers may share it. Default: the process. */
  readonly owner?: string;
}

export interface RunOptions<D extends object = Record<string, unknown>> {
  /** The session to go on with; made where there is none. Without: a new one, where the agent has sessions. */
  readonly sessionId?: string | undefined;
  /** Whose the session is. One of another user is not found. */
  readonly userId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Collected data to begin with, merged into what the session holds. */
  readonly data?: Partial<D> | undefined;
  /** Of a session that is made. Default: its first words. */
  readonly label?: string | undefined;
  /** Of a session that is made. */
  readonly metadata?: Record<string, unknown> | undefined;
  /** The session counts as absent after this time, from each run on. */
  readonly expiresInMs?: number | undefined;
  /** Added to the agent's context. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  readonly turnWaitMs?: number | undefined;
  /** Told of each event as it happens; an error that it throws fails the run. */
  readonly onEvent?: ((event: AgentEvent<D>) => void) | undefined;
}

/** Options of what goes on with a session that is there. */
export type ResumeOptions<D extends object = Record<string, unknown>> = Omit<
  RunOptions<D>,
  "sessionId" | "data" | "label" | "metadata" | "expiresInMs"
>;

export interface ApprovalAnswer {
  readonly toolCallId: string;
  readonly approved: boolean;
  /** For the model, where it is denied. */
  readonly reason?: string;
}

/** A tool call that waits for somebody's word. */
export interface PendingApproval {
  readonly approvalId: string;
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
  /** Epoch milliseconds; absent: never. */
  readonly expiresAt?: number;
}

export interface ToolCallInfo {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}

export interface ToolResultInfo extends ToolCallInfo {
  /** As the model is sent it. */
  readonly output: unknown;
  readonly isError: boolean;
}

/** One call of the model, and the tools that ran for it. */
export interface AgentStep {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly toolCalls: readonly ToolCallInfo[];
  readonly toolResults: readonly ToolResultInfo[];
}

/** Why a run ended: as the model says, or `approval`: it waits for one; `max-steps`: no more calls were allowed. */
export type RunFinishReason = FinishReason | "approval" | "max-steps";

export interface AgentResult<D extends object = Record<string, unknown>> {
  /** The text of the last message. */
  readonly text: string;
  /** The model's last message, as it was stored. */
  readonly message?: AssistantModelMessage;
  /** Absent where the run was stateless. */
  readonly session?: Session<Message, D>;
  readonly sessionId?: string;
  /** Of this run, its sub-agents included. */
  readonly usage: Usage;
  readonly steps: readonly AgentStep[];
  readonly finishReason: RunFinishReason;
  /** The tool calls that wait for `approve`, where `finishReason` is `approval`. */
  readonly approvals: readonly PendingApproval[];
  /** Data that was collected, of all routes. */
  readonly data: Readonly<Partial<D>>;
  /** The route that the session is on. */
  readonly route?: string;
  /** Whether the route that the session is on, or was last on, is complete. */
  readonly isRouteComplete: boolean;
}

export type AgentEvent<D extends object = Record<string, unknown>> =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | ({ readonly type: "tool-call" } & ToolCallInfo)
  /** Its result is committed. */
  | ({ readonly type: "tool-result" } & ToolResultInfo)
  | ({ readonly type: "approval-request" } & PendingApproval)
  | { readonly type: "step"; readonly index: number; readonly step: AgentStep }
  | {
      readonly type: "route";
      readonly route: string;
      readonly step?: string;
      readonly data: Readonly<Record<string, unknown>>;
      readonly isComplete: boolean;
    }
  | { readonly type: "done"; readonly result: AgentResult<D> };

/** An agent whose conversations survive the process. See {@link createAgent}. */
export interface Agent<D extends object = Record<string, unknown>> extends AsyncDisposable {
  readonly name: string;
  /** Its sessions: to list, search, fork, complete. */
  readonly sessions: Sessions<Message, D>;
  /** Runs one turn to its end. */
  run(prompt: Prompt, options?: RunOptions<D>): Promise<AgentResult<D>>;
  /** The same as it happens. It begins with the first event that is asked for; leaving the loop aborts the turn. */
  stream(prompt: Prompt, options?: RunOptions<D>): AsyncIterable<AgentEvent<D>>;
  /** Loads a session, or makes it. @throws SESSION_NOT_FOUND with `create: false` where there is none. */
  open(
    sessionId?: string,
    options?: Omit<RunOptions<D>, "sessionId"> & { create?: boolean },
  ): Promise<Chat<D>>;
  /**
   * Goes on with a turn that a crash interrupted, or that waits.
   *
   * @throws SESSION_NOT_FOUND, INVALID_ARGUMENT where no turn is open, TURN_IN_PROGRESS while somebody works on it.
   */
  resume(sessionId: string, options?: ResumeOptions<D>): Promise<AgentResult<D>>;
  /**
   * Answers a request for approval, in any process, and goes on with the turn once none is left.
   *
   * @throws SESSION_NOT_FOUND, INVALID_ARGUMENT where that call waits for no approval, TURN_IN_PROGRESS.
   */
  approve(sessionId: string, answer: ApprovalAnswer, options?: ResumeOptions<D>): Promise<AgentResult<D>>;
  /** The tool calls of a session that wait for approval. */
  approvals(sessionId: string, options?: { userId?: string }): Promise<PendingApproval[]>;
  /** A new session that inherits this one's history, at any message of it. Nothing is copied. */
  fork(sessionId: string, options?: ForkOptions): Promise<Chat<D>>;
  /**
   * This agent as a tool of another: each call runs in a child session of the caller's, with a log of its own.
   *
   * @param options.description what it is good for, for the model that may call it.
   */
  asTool(options: { description: string }): AgentTools[string];
  /** Closes the sessions that the agent made for itself; those that it was given stay open. */
  close(): Promise<void>;
}

/** One conversation with an agent. */
export interface Chat<D extends object = Record<string, unknown>> {
  readonly session: Session<Message, D>;
  run(prompt: Prompt, options?: ChatRunOptions<D>): Promise<AgentResult<D>>;
  stream(prompt: Prompt, options?: ChatRunOptions<D>): AsyncIterable<AgentEvent<D>>;
  /** Begins a turn; resolves once the prompt is committed. `receive` then gives the answer. */
  send(prompt: Prompt, options?: ChatRunOptions<D>): Promise<void>;
  /** The events of the turn that `send` began, from its first on. @throws INVALID_ARGUMENT where none was. */
  receive(): AsyncIterable<AgentEvent<D>>;
  resume(options?: ResumeOptions<D>): Promise<AgentResult<D>>;
  approve(answer: ApprovalAnswer, options?: ResumeOptions<D>): Promise<AgentResult<D>>;
  close(): Promise<void>;
}

export type ChatRunOptions<D extends object = Record<string, unknown>> = Omit<
  RunOptions<D>,
  "sessionId" | "userId"
>;
