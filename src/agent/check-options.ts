/**
 * @module
 * What an agent is made with, checked at once: a number that makes no sense would else show in the middle of a turn.
 */
import { invalidArgument } from "../log/errors.ts";
import { checkId } from "../log/values.ts";
import { windowTaker } from "../log/window.ts";
import { checkCount, checkDuration } from "../session/input.ts";
import type { AgentOptions } from "./types.ts";

type Checked = Pick<
  AgentOptions,
  "tools" | "history" | "owner" | "leaseMs" | "turnWaitMs" | "toolTimeoutMs" | "maxToolResultBytes"
>;

/** @throws INVALID_ARGUMENT for limits, times and names that make no sense. */
export function checkOptions(options: Checked): void {
  const { tools = {}, history = {}, owner, leaseMs, turnWaitMs, toolTimeoutMs, maxToolResultBytes } = options;
  if (owner !== undefined) checkId(owner, "owner");
  if (leaseMs !== undefined) checkDuration(leaseMs, "leaseMs");
  checkWait(turnWaitMs);
  if (toolTimeoutMs !== undefined) checkDuration(toolTimeoutMs, "toolTimeoutMs");
  if (maxToolResultBytes !== undefined) checkCount(maxToolResultBytes, "maxToolResultBytes", 1);
  for (const [name, { timeoutMs, approvalExpiresInMs }] of Object.entries(tools)) {
    const what = `of tool ${JSON.stringify(name)}`;
    if (timeoutMs !== undefined) checkDuration(timeoutMs, `timeoutMs ${what}`);
    if (approvalExpiresInMs !== undefined) checkDuration(approvalExpiresInMs, `approvalExpiresInMs ${what}`);
  }
  const { compaction = {}, lastMessages, lastTurns, maxTokens } = history;
  // It checks them when it is made.
  windowTaker({
    ...(lastMessages !== undefined && { lastMessages }),
    ...(lastTurns !== undefined && { lastTurns }),
    ...(maxTokens !== undefined && { maxTokens }),
  });
  const { afterMessages, afterTokens, keepLast } = compaction;
  if (afterMessages !== undefined) checkCount(afterMessages, "afterMessages");
  if (afterTokens !== undefined) checkCount(afterTokens, "afterTokens");
  if (keepLast !== undefined) checkCount(keepLast, "keepLast");
}

/** @throws INVALID_ARGUMENT unless it is a number of at least 0. `Infinity`: for as long as it takes. */
export function checkWait(turnWaitMs: number | undefined): void {
  if (turnWaitMs === undefined || turnWaitMs >= 0) return;
  throw invalidArgument(
    `turnWaitMs must be a number of milliseconds of at least 0, not ${String(turnWaitMs)}`,
  );
}
