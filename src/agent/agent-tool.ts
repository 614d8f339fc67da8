/**
 * @module
 * Tools whose input is typed by their schema, with what Holdfast needs to know of them.
 */
import type { FlexibleSchema } from "ai";
import { storedAs } from "../session/typed.ts";
import type { AgentTools, ToolPolicy, ToolRun } from "./types.ts";

export interface AgentToolDefinition<I, O> extends ToolPolicy {
  /** What it does, for the model that may call it. */
  readonly description: string;
  /** A zod, valibot or arktype schema, or a JSON Schema by the AI SDK's `jsonSchema`. */
  readonly inputSchema: FlexibleSchema<I>;
  /** Whether a call must wait for `approve`. */
  readonly needsApproval?: boolean | ((input: I) => boolean | Promise<boolean>);
  /** What it gives must be JSON: it is stored, and sent to the model. */
  execute(input: I, run: ToolRun & { readonly abortSignal: AbortSignal }): O | Promise<O>;
}

/**
 * Defines a tool. The same as the AI SDK's `tool`, whose tools can be used as they are; this one takes the policy too,
 * and its `execute` is given the run: session, user, context, signal.
 *
 * @example
 * ```ts
 * import { agentTool } from "holdfast/agent";
 * import { z } from "zod";
 *
 * const readFile = agentTool({
 *   description: "Reads a file",
 *   inputSchema: z.object({ path: z.string() }),
 *   readOnly: true,
 *   execute: ({ path }, { userId }) => `${path} of ${userId}`,
 * });
 * ```
 */
export function agentTool<I, O>(definition: AgentToolDefinition<I, O>): AgentTools[string] {
  const { execute, needsApproval, ...rest } = definition;
  return {
    ...rest,
    ...(needsApproval !== undefined && {
      needsApproval: typeof needsApproval === "function" ? (input: I) => needsApproval(input) : needsApproval,
    }),
    execute: (input: I, options: object) =>
      execute(input, storedAs<ToolRun & { readonly abortSignal: AbortSignal }>(options)),
  };
}
