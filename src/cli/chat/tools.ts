/**
 * @module
 * The tools that every chat has: harmless ones, so that a model's use of tools can be seen.
 */
import { jsonSchema, tool } from "ai";
import type { AgentTools } from "../../agent/index.ts";

export const chatTools: AgentTools = {
  get_time: {
    ...tool({
      description: "The current date and time.",
      inputSchema: jsonSchema<{ timeZone?: string }>({
        type: "object",
        properties: {
          timeZone: {
            type: "string",
            description: "An IANA name such as Europe/Lisbon. Default: where the user is.",
          },
        },
        additionalProperties: false,
      }),
      execute: ({ timeZone }) => timeIn(timeZone),
    }),
    readOnly: true,
  },
};

/** @throws RangeError for a time zone that there is not: the model is told so. */
function timeIn(timeZone: string | undefined): string {
  return new Intl.DateTimeFormat("en-GB", {
    dateStyle: "full",
    timeStyle: "long",
    ...(timeZone !== undefined && { timeZone }),
  }).format();
}
