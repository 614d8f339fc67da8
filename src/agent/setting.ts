/**
 * @module
 * What an agent was made with, ready to use, and what one run of it is about.
 */
import type { ContextOptions, Message, Session, Sessions } from "../session/types.ts";
import type { RouteListener } from "./route-tools.ts";
import type { KnownRoute } from "./routes.ts";
import type { AgentEvent, AgentOptions, AgentTools, RunContext } from "./types.ts";

export interface AgentSetting<D extends object> {
  readonly options: AgentOptions<D>;
  readonly routes: readonly KnownRoute[];
  readonly maxSteps: number;
  readonly toolTimeoutMs: number;
  readonly maxToolResultBytes: number;
  /** What of the history is sent. */
  readonly window: ContextOptions;
}

export interface RunSetting<D extends object> {
  readonly session: Session<Message, D>;
  /** The same, for what does not know the type of its data. */
  readonly plainSession: Session;
  readonly plainSessions: Sessions | undefined;
  readonly isStateless: boolean;
  readonly context: RunContext<D>;
  readonly tools: AgentTools;
  /** The system prompt, once `begin` is done. */
  readonly instructions: string;
  readonly routes: RouteListener;
  /** What is to be done once the turn is ours: hooks, then the system prompt. */
  begin(): Promise<void>;
  emit(event: AgentEvent<D>): void;
}
