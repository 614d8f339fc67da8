/**
 * @module
 * A stand-in for a language model: no network, no key, no memory of its own. It answers from the messages that it is
 * sent and from nothing else, so whatever it remembers was stored.
 */
import type { Message, Part } from "../../index.ts";

const PATTERNS = {
  name: /\b(?:[Mm]y name is|[Cc]all me)\s+(\p{Lu}[\p{L}'-]*)/u,
  city: /\bI (?:live in|moved to|have moved to)\s+(\p{Lu}[\p{L}'-]*)/u,
  allergy: /\bI(?: am|'m) allergic to\s+([\p{L} ]*\p{L})/u,
} as const;

type Fact = keyof typeof PATTERNS;

/** The model's next message after `messages`. Pure. */
export function offlineReply(messages: readonly Message[]): Message {
  const last = messages.at(-1);
  const facts = factsIn(messages);
  if (last?.role === "tool") return afterTool(last, messages, facts);
  const text = last?.role === "user" ? textOf(last) : "";
  if (/\bweather\b/i.test(text))
    return weatherCall(messages, /\bweather in (\p{Lu}[\p{L}'-]*)/u.exec(text)?.[1] ?? facts.get("city"));
  return say(text.trimEnd().endsWith("?") ? answer(text, facts) : acknowledge(text));
}

/** What the user said of themselves; what was said last counts. */
function factsIn(messages: readonly Message[]): Map<Fact, string> {
  const facts = new Map<Fact, string>();
  for (const message of messages) {
    if (message.role === "user") for (const [fact, value] of factsOf(textOf(message))) facts.set(fact, value);
  }
  return facts;
}

function factsOf(text: string): [Fact, string][] {
  const names: readonly Fact[] = ["name", "city", "allergy"];
  return names.flatMap((fact): [Fact, string][] => {
    const value = PATTERNS[fact].exec(text)?.[1];
    return value === undefined ? [] : [[fact, value]];
  });
}

function answer(question: string, facts: ReadonlyMap<Fact, string>): string {
  const asked: [RegExp, Fact, (value: string) => string, string][] = [
    [/\bmy name\b/i, "name", (name) => `Your name is ${name}.`, "You have not told me your name."],
    [/\bI live\b/i, "city", (city) => `You live in ${city}.`, "You have not told me where you live."],
    [
      /\ballergic\b/i,
      "allergy",
      (what) => `You are allergic to ${what}.`,
      "You have not told me of an allergy.",
    ],
  ];
  const answers = asked.flatMap(([pattern, fact, known, unknown]) => {
    if (!pattern.test(question)) return [];
    const value = facts.get(fact);
    return value === undefined ? unknown : known(value);
  });
  return answers.join(" ") || "This conversation does not say.";
}

function acknowledge(text: string): string {
  const told = factsOf(text).map(([fact, value]) => {
    if (fact === "name") return `Nice to meet you, ${value}.`;
    return fact === "city" ? `${value}, a fine place.` : `No ${value} for you, then.`;
  });
  return told.join(" ") || "I see.";
}

function weatherCall(messages: readonly Message[], city: string | undefined): Message {
  if (city === undefined) return say("Where? You have not told me where you live.");
  const toolCallId = `call-${messages.flatMap(toolCallsOf).length + 1}`;
  return {
    role: "assistant",
    content: [{ type: "tool-call", toolCallId, toolName: "get_weather", input: { city } }],
  };
}

function afterTool(last: Message, messages: readonly Message[], facts: ReadonlyMap<Fact, string>): Message {
  const result = partsOf(last).find(({ type }) => type === "tool-result");
  const call = messages.flatMap(toolCallsOf).find(({ toolCallId }) => toolCallId === result?.toolCallId);
  const output = objectOf(result?.output);
  // A call that was interrupted is made again.
  if (output.type !== "text") return weatherCall(messages, call?.city ?? facts.get("city"));
  const name = facts.get("name");
  return say(`${name === undefined ? "" : `${name}, `}${call?.city ?? "there"}: ${String(output.value)}.`);
}

/** The tool calls that a message makes. */
export function toolCallsOf(message: Message): { toolCallId: string; city: string }[] {
  return partsOf(message).flatMap((part) => {
    const { type, toolCallId, input } = part;
    const { city } = objectOf(input);
    return type === "tool-call" && typeof toolCallId === "string" && typeof city === "string"
      ? [{ toolCallId, city }]
      : [];
  });
}

/** The words of a message. */
export function textOf({ content }: Message): string {
  return typeof content === "string"
    ? content
    : content.map((part) => ("text" in part ? String(part.text) : "")).join("");
}

function say(content: string): Message {
  return { role: "assistant", content };
}

function partsOf({ content }: Message): Record<string, unknown>[] {
  return typeof content === "string" ? [] : content.map((part: Part) => ({ ...part }));
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
