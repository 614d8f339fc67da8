/**
 * Agents on the AI SDK whose conversations survive the process.
 *
 * @module holdfast/agent
 */
export { createAgent } from "./agent.ts";
export type { AgentToolDefinition } from "./agent-tool.ts";
export { agentTool } from "./agent-tool.ts";
export type { OfflineModel, OfflineModelOptions } from "./offline-model.ts";
export { offlineModel } from "./offline-model.ts";
export type { Route, RouteDefinition, RouteEvent, RouteStep } from "./routes.ts";
export { route } from "./routes.ts";
export type { AgentFacts, AgentTelemetry, AgentWork } from "./telemetry.ts";
export type {
  Agent,
  AgentEvent,
  AgentHooks,
  AgentOptions,
  AgentResult,
  AgentStep,
  AgentTools,
  ApprovalAnswer,
  Chat,
  ChatRunOptions,
  CompactionOptions,
  HistoryOptions,
  ModelSettings,
  PendingApproval,
  Prompt,
  ResumeOptions,
  RunContext,
  RunFinishReason,
  RunOptions,
  ToolCallInfo,
  ToolPolicy,
  ToolResultInfo,
  ToolRun,
} from "./types.ts";
