/**
 * @module
 * A stand-in for a language model: no network, no key, no memory of its own. It answers from the messages that it is
 * sent and from nothing else, so whatever it remembers was stored.
 *
 * In this order it: calls the tools that the user names ({@link readScript}); asks `get_weather` for the weather; enters
 * a route by `enter_route`; passes what the user said to `collect_data`; and then speaks: of what the tools answered, of
 * what it was told, or in JSON where a schema is given. Without tools, instructions with "summar" in them ask it for a
 * summary of the conversation.
 */
import { isPlainObject } from "../log/values.ts";
import type { Message } from "../session/types.ts";
import type { Conversation, PastCall } from "./offline-conversation.ts";
import { isSuccess, jsonOf, readConversation, transcriptIn } from "./offline-conversation.ts";
import { extractFromAll, extractValues, indexOfWord } from "./offline-extract.ts";
import { acknowledge, cut, factsIn, PROPER_NAME, recall, summaryOf, wordsOf } from "./offline-facts.ts";
import { filled, propertiesOf } from "./offline-schema.ts";
import type { Script, ScriptedCall } from "./offline-script.ts";
import { readScript } from "./offline-script.ts";

/** What the model may use and must keep to. */
export interface OfflineRequest {
  readonly tools?: readonly OfferedTool[];
  /** `required`: any tool; a name: that one. Default `auto`. */
  readonly toolChoice?: "auto" | "none" | "required" | { readonly toolName: string };
  /** Answer in JSON; with `schema`, in JSON that fits it. */
  readonly json?: { readonly schema?: unknown };
}

export interface OfferedTool {
  readonly name: string;
  /** The JSON schema of its input. */
  readonly schema?: unknown;
}

export interface OfflineCall {
  /** `call-<n>`, by a count of the calls in the conversation. */
  readonly toolCallId: string;
  readonly toolName: string;
  /** JSON, unless the user dictated something else. */
  readonly arguments: string;
}

/** Either words or tool calls. */
export interface OfflineReply {
  readonly text: string;
  readonly calls: readonly OfflineCall[];
}

/** All that a decision is made from. */
interface Situation {
  readonly conversation: Conversation;
  readonly tools: ReadonlyMap<string, OfferedTool>;
  readonly script: Script;
  /** What the user said, without commands. */
  readonly told: readonly string[];
  /** The property that the user was asked for just now. */
  readonly asked: string | undefined;
}

const WEATHER = "get_weather";
const COLLECT = "collect_data";
const ENTER = "enter_route";
/** Of a longer message only the beginning is listened to: its patterns are not made for books. */
const MAX_HEARD_LENGTH = 10_000;
/** Of longer results only the beginning is told. */
const MAX_RESULT_LENGTH = 2000;

/**
 * The model's next message after `messages`, which are in the shape of the AI SDK. Pure.
 *
 * @example
 * ```ts
 * offlineReply([{ role: "user", content: "My name is Alice." }]); // { text: "Nice to meet you, Alice.", calls: [] }
 * ```
 */
export function offlineReply(messages: readonly Message[], request: OfflineRequest = {}): OfflineReply {
  const conversation = readConversation(messages);
  const offered = request.toolChoice === "none" ? [] : (request.tools ?? []);
  const tools = new Map(offered.map((tool) => [tool.name, tool]));
  const names = new Set(tools.keys());
  const script = scriptOf(conversation.text, names);
  const told = conversation.told.map((text) => scriptOf(text, names).rest).filter(Boolean);
  const asked = /Please tell me: (\S+)\.\s*$/u.exec(conversation.replyBefore)?.[1];
  const situation: Situation = { conversation, tools, script, told, asked };
  // A summariser is offered no tools. Of what it sums up, nothing is for it to carry out.
  if (isAskedForSummary(situation) && !request.json) {
    const heard = readConversation(messages.flatMap(transcriptIn)).told;
    return { text: summaryOf(heard.map((text) => scriptOf(text, names).rest).filter(Boolean)), calls: [] };
  }
  const calls =
    scriptedCalls(situation) ??
    forcedCall(situation, request) ??
    weatherCall(situation) ??
    enterCall(situation) ??
    collectCall(situation);
  if (calls !== undefined) {
    const numbered = calls.map((call, index) => ({
      toolCallId: `call-${conversation.nextCall + index}`,
      ...call,
    }));
    return { text: "", calls: numbered };
  }
  return { text: request.json ? jsonReply(situation, request.json.schema) : spoken(situation), calls: [] };
}

/** The commands in a text, and so much of the rest as is listened to. */
function scriptOf(text: string, offered: ReadonlySet<string>): Script {
  const script = readScript(text, offered);
  return { ...script, rest: script.rest.slice(0, MAX_HEARD_LENGTH).toWellFormed() };
}

function isAskedForSummary({ tools, conversation }: Situation): boolean {
  return tools.size === 0 && /summar/i.test(conversation.instructions);
}

/** The first step of the user's commands that was not taken yet. They come before all other calls of a turn. */
function scriptedCalls({ script, conversation }: Situation): readonly ScriptedCall[] | undefined {
  let made = 0;
  return script.steps.find((step) => {
    made += step.length;
    return made > conversation.calls.length;
  });
}

/** The tool that the caller insists on, once for each thing that the user says. */
function forcedCall(
  { tools, told, conversation }: Situation,
  { toolChoice }: OfflineRequest,
): ScriptedCall[] | undefined {
  const isOpen =
    typeof toolChoice === "object" || (toolChoice === "required" && conversation.calls.length === 0);
  const [first] = tools.keys();
  const toolName = typeof toolChoice === "object" ? toolChoice.toolName : first;
  if (!isOpen || toolName === undefined || conversation.calls.some((call) => call.toolName === toolName))
    return undefined;
  const schema = tools.get(toolName)?.schema;
  return [{ toolName, arguments: jsonOf(filled(schema, extractFromAll(schema, told))) }];
}

function weatherCall({ tools, script, told, conversation }: Situation): ScriptedCall[] | undefined {
  const tool = tools.get(WEATHER);
  if (!tool || !asksForWeather(script)) return undefined;
  const last = conversation.calls.findLast(({ toolName }) => toolName === WEATHER);
  // A call that was interrupted is made again.
  const isInterrupted = last?.outcome?.kind === "error" && /\binterrupted\b/i.test(last.outcome.text);
  if (last && !isInterrupted) return undefined;
  const city = (last && placeOf(last)) ?? cityIn(script.rest, told);
  if (city === undefined) return undefined;
  const names = propertiesOf(tool.schema).map(({ name }) => name);
  const key = names.includes("city") ? "city" : (names[0] ?? "city");
  return [{ toolName: WEATHER, arguments: jsonOf({ [key]: city }) }];
}

function asksForWeather({ rest }: Script): boolean {
  return /\bweather\b/i.test(rest);
}

function cityIn(text: string, told: readonly string[]): string | undefined {
  return (
    new RegExp(`\\bweather in (${PROPER_NAME})`, "u").exec(text)?.[1] ?? factsIn(told).values.get("city")
  );
}

/** The place that a call asked about. */
function placeOf({ input }: PastCall): string | undefined {
  const [place] = isPlainObject(input) ? Object.values(input) : [];
  return typeof place === "string" ? place : undefined;
}

/** Enters the route that the user names, once for each thing that the user says. */
function enterCall({ tools, script, conversation }: Situation): ScriptedCall[] | undefined {
  const tool = tools.get(ENTER);
  const route = propertiesOf(tool?.schema).find(({ name }) => name === "route");
  if (!route || conversation.calls.some(({ toolName }) => toolName === ENTER)) return undefined;
  const { description } = route.shape.schema;
  const titles = new Map(
    (typeof description === "string" ? description : "").split(";").map((entry): [string, string] => {
      const [id = "", ...title] = entry.split(":");
      return [id.trim(), title.join(":")];
    }),
  );
  const words = new Set(wordsOf(script.rest));
  const isNamed = (option: unknown): boolean => {
    const title = wordsOf(titles.get(String(option)) ?? "").filter((word) => word.length > 3);
    const isTitled = title.length > 0 && title.every((word) => words.has(word));
    return isTitled || indexOfWord(script.rest, String(option)) >= 0;
  };
  const chosen = route.shape.options.find(isNamed);
  return chosen === undefined ? undefined : [{ toolName: ENTER, arguments: jsonOf({ route: chosen }) }];
}

/** Passes on what the user just said, as far as it was not passed on yet. */
function collectCall({ tools, script, conversation, asked }: Situation): ScriptedCall[] | undefined {
  const tool = tools.get(COLLECT);
  if (!tool) return undefined;
  const known = new Set(Object.keys(collectedBy(sinceEntering(conversation.earlierCalls))));
  const passed = collectedBy(conversation.calls);
  const found = Object.entries(extractValues(tool.schema, script.rest, { known, asked }));
  const fresh = found.filter(([name]) => !Object.hasOwn(passed, name));
  const text = jsonOf(Object.fromEntries(fresh));
  // What was refused would be refused again.
  const wasTried = conversation.calls.some(
    ({ toolName, input }) => toolName === COLLECT && jsonOf(input) === text,
  );
  return fresh.length === 0 || wasTried ? undefined : [{ toolName: COLLECT, arguments: text }];
}

/** What was passed to `collect_data` and accepted. */
function collectedBy(calls: readonly PastCall[]): Record<string, unknown> {
  const accepted = calls.filter((call) => call.toolName === COLLECT && isSuccess(call));
  return Object.assign({}, ...accepted.map(({ input }) => (isPlainObject(input) ? input : {})));
}

/** The calls since a route was entered: what was collected before belongs to another one, or to an earlier visit. */
function sinceEntering(calls: readonly PastCall[]): readonly PastCall[] {
  return calls.slice(calls.findLastIndex((call) => call.toolName === ENTER && isSuccess(call)) + 1);
}

function jsonReply({ told }: Situation, schema: unknown): string {
  if (schema === undefined) return jsonOf(Object.fromEntries(factsIn(told).values));
  return jsonOf(filled(schema, extractFromAll(schema, told)));
}

function spoken(situation: Situation): string {
  const { conversation, script } = situation;
  const { instructions, calls } = conversation;
  const results = calls.flatMap((call, index) =>
    wasMadeAgain(call, calls.slice(index + 1)) ? [] : resultSentence(call, situation),
  );
  const collected = Object.entries(collectedBy(calls)).map(
    ([name, value]) => `${name}: ${typeof value === "string" ? value : jsonOf(value)}`,
  );
  const missing = script.missing.map((toolName) => `I have no tool ${toolName}.`);
  const words = [
    results.length + missing.length === 0 ? answer(situation) : "",
    collected.length > 0 ? `Noted: ${collected.join(", ")}.` : "",
    ...linesOf(instructions, "Completed").map((title) => `${title}: done.`),
    question(situation),
  ];
  return [...missing, ...results, words.filter(Boolean).join(" ")].filter(Boolean).join("\n") || "I see.";
}

/** Whether a call failed and one of the `later` ones is the same: what counts is what came of that. */
function wasMadeAgain({ toolName, input, outcome }: PastCall, later: readonly PastCall[]): boolean {
  const isSame = (call: PastCall): boolean =>
    call.toolName === toolName && jsonOf(call.input) === jsonOf(input);
  return outcome?.kind === "error" && later.some(isSame);
}

function answer({ script, told, tools }: Situation): string {
  if (tools.has(WEATHER) && asksForWeather(script) && cityIn(script.rest, told) === undefined)
    return "Where? You have not told me where you live.";
  return script.rest.endsWith("?") ? recall(script.rest, factsIn(told)) : acknowledge(script.rest);
}

/** What came of a call; of a route that was entered and of data that was accepted there is nothing to say. */
function resultSentence(call: PastCall, { told, script }: Situation): string[] {
  const { toolName, outcome } = call;
  if (outcome === undefined) return [];
  const text = cut(outcome.text, MAX_RESULT_LENGTH);
  if (outcome.kind === "error") return [`${toolName} failed: ${text}${/[.!?]$/.test(text) ? "" : "."}`];
  if (outcome.kind === "denied") return [`You did not approve ${toolName}${text && `: ${text}`}.`];
  const isScripted = script.steps.flat().some((scripted) => scripted.toolName === toolName);
  if (!isScripted && (toolName === COLLECT || toolName === ENTER)) return [];
  if (toolName === WEATHER && outcome.kind === "text") {
    const name = factsIn(told).values.get("name");
    return [`${name === undefined ? "" : `${name}, `}${placeOf(call) ?? "there"}: ${text}.`];
  }
  return [`${toolName} says: ${text}`];
}

/** Asks for the first value that the instructions want and that is not known. */
function question({ conversation }: Situation): string {
  const wanted = linesOf(conversation.instructions, "Ask for").flatMap((line) =>
    line.split(",").map((name) => name.trim()),
  );
  const known = collectedBy(sinceEntering([...conversation.earlierCalls, ...conversation.calls]));
  const name = wanted.find((one) => one !== "" && !Object.hasOwn(known, one));
  return name === undefined ? "" : `Please tell me: ${name}.`;
}

/** What stands in the instructions on lines that begin with `label`. */
function linesOf(instructions: string, label: string): string[] {
  return [...instructions.matchAll(new RegExp(`^\\s*${label}:\\s*(.*\\S)`, "gmu"))].map(
    ([, rest = ""]) => rest,
  );
}
