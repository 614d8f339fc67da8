/**
 * @module
 * Running tools: whatever one does, its call gets a result that the model can be sent and the store can keep.
 */
import type { ModelMessage } from "ai";
import { asSchema } from "ai";
import { messageOf } from "../log/errors.ts";
import type { Usage } from "../log/record.ts";
import type { Session } from "../session/types.ts";
import type { ToolOutput } from "./messages.ts";
import type { AgentTools, ToolCallInfo, ToolRun } from "./types.ts";

/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What comes with a result: it is committed with it, and what it cost is counted with it. */
export interface ToolEffects {
  readonly usage?: Usage;
  /** Changes of the session, asked for at the same moment as the result is appended. */
  readonly changes?: (session: Session) => Promise<unknown>[];
  /** Once all that is committed. */
  readonly after?: () => unknown;
}

export interface ToolSetting {
  readonly tools: AgentTools;
  readonly run: Omit<ToolRun, "toolCallId" | "messages" | "abortSignal">;
  readonly messages: readonly ModelMessage[];
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly maxResultBytes: number;
  /** Told what a tool has brought by the time that the run is aborted. */
  readonly onGivenUp: (effects: ToolEffects) => Promise<void>;
}

export interface ToolOutcome {
  readonly output: ToolOutput;
  readonly effects: ToolEffects;
}

const effects = new WeakMap<object, ToolEffects>();

/** `output`, which brings effects with it; a promise, those of work that is given up. */
export function withEffects<T extends object>(output: T, own: ToolEffects): T {
  effects.set(output, own);
  return output;
}

/** Whether the call must wait for somebody's approval. */
export async function needsApproval(call: ToolCallInfo, setting: ToolSetting): Promise<boolean> {
  const needed = toolOf(setting.tools, call.toolName)?.needsApproval;
  if (typeof needed !== "function") return needed === true;
  const { toolCallId, input } = call;
  return needed(input, { toolCallId, messages: [...setting.messages], context: setting.run.context });
}

export function toolOf(tools: AgentTools, name: string): AgentTools[string] | undefined {
  return Object.hasOwn(tools, name) ? tools[name] : undefined;
}

/**
 * Runs one call. Whatever goes wrong in the tool is its result.
 *
 * @param call its input as it was validated, unless `isRecovered`: then as it was stored.
 * @throws the reason of the run's signal, once that aborts. A tool is not waited for then, but for one with effects of its
 *   own (a sub-agent), which ends by itself and records that it did.
 */
export async function runTool(
  call: ToolCallInfo,
  setting: ToolSetting,
  isRecovered = false,
): Promise<ToolOutcome> {
  const { tools, signal } = setting;
  const tool = toolOf(tools, call.toolName);
  if (!tool?.execute) return failure(`There is no tool ${JSON.stringify(call.toolName)}.`);
  const timeoutMs = tool.timeoutMs ?? setting.timeoutMs;
  // A timer of our own keeps the process alive while it waits; `AbortSignal.timeout` would not.
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new DOMException(`no result within ${timeoutMs} ms`, "TimeoutError")),
    Math.min(Math.ceil(timeoutMs), MAX_TIMER_MS),
  );
  const abortSignal = AbortSignal.any([signal, timeout.signal]);
  const kept = (outcome: ToolOutcome): ToolOutcome => {
    const bytes = Buffer.byteLength(JSON.stringify(outcome.output));
    if (bytes <= setting.maxResultBytes) return outcome;
    return failure(
      `The result of ${call.toolName} is ${bytes} bytes, more than the ${setting.maxResultBytes} that are kept. Ask for less.`,
      outcome.effects,
    );
  };
  let begun: unknown;
  let working: ToolEffects | undefined;
  try {
    const input: unknown = isRecovered ? await validated(tool, call.input) : call.input;
    const { toolCallId } = call;
    const messages = [...setting.messages];
    const options = { ...setting.run, toolCallId, messages, abortSignal };
    begun = tool.execute(input, options);
    working = typeof begun === "object" && begun !== null ? effects.get(begun) : undefined;
    const returned: unknown = await untilAborted(lastOf(begun), abortSignal);
    const own = typeof returned === "object" && returned !== null ? effects.get(returned) : undefined;
    return kept({ output: await outputOf(tool, call, returned), effects: own ?? {} });
  } catch (error) {
    if (signal.aborted) {
      if (working) {
        await Promise.allSettled([begun]);
        await setting.onGivenUp(working);
      }
      throw signal.reason;
    }
    if (timeout.signal.aborted)
      return failure(`${call.toolName} gave no result within ${timeoutMs} ms.`, working);
    return kept(
      failure(messageOf(error), typeof error === "object" && error !== null ? effects.get(error) : {}),
    );
  } finally {
    clearTimeout(timer);
  }
}

function failure(text: string, own: ToolEffects = {}): ToolOutcome {
  return { output: { type: "error-text", value: text }, effects: own };
}

async function validated(tool: AgentTools[string], input: unknown): Promise<unknown> {
  const result = await asSchema(tool.inputSchema).validate?.(input);
  return result?.success ? result.value : input;
}

/** A tool may give preliminary results; the last one counts. */
async function lastOf(returned: unknown): Promise<unknown> {
  if (!isAsyncIterable(returned)) return returned;
  let last: unknown;
  for await (const result of returned) last = result;
  return last;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

async function outputOf(
  tool: AgentTools[string],
  { toolCallId, input }: ToolCallInfo,
  output: unknown,
): Promise<ToolOutput> {
  if (tool.toModelOutput) return tool.toModelOutput({ toolCallId, input, output });
  if (typeof output === "string") return { type: "text", value: output };
  // A cycle, or anything that JSON can't hold, fails here and becomes the tool's error.
  return { type: "json", value: JSON.parse(JSON.stringify(output) ?? "null") };
}

/** What `work` gives, unless the signal aborts first: then nobody waits for it any more, and its outcome is dropped. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
