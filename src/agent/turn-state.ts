/**
 * @module
 * What is known of a turn while it runs.
 */
import type { ModelMessage } from "ai";
import type { Usage } from "../log/record.ts";
import type { Turn } from "../session/types.ts";
import type { AgentSetting, RunSetting } from "./setting.ts";
import type { AgentStep } from "./types.ts";

export interface TurnState<D extends object> {
  readonly agent: AgentSetting<D>;
  readonly run: RunSetting<D>;
  readonly turn: Turn;
  /** Aborts with the turn, and once anything in it has failed. */
  readonly signal: AbortSignal;
  readonly stop: (reason: unknown) => void;
  readonly steps: AgentStep[];
  /** What of this turn is in the log, for whoever is told that something is not. */
  readonly saved: string[];
  /** What the model is sent next. */
  messages: ModelMessage[];
  usage: Usage;
}
