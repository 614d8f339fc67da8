/**
 * @module
 * The messages that everything is measured with: real conversations of tau-bench where `HOLDFAST_TRANSCRIPTS` names the
 * folder that holds them, else generated ones with the same roles, sizes and lengths.
 *
 * @see https://github.com/sierra-research/tau-bench
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type BenchMessage = Readonly<Record<string, unknown>>;

export interface Transcripts {
  /** Where they come from, for the report. */
  readonly source: string;
  readonly conversations: readonly (readonly BenchMessage[])[];
  /** All messages in order. */
  readonly messages: readonly BenchMessage[];
  /** The message at any index: after the last one, the first one again. */
  at(index: number): BenchMessage;
}

export function loadTranscripts(): Transcripts {
  const folder = process.env.HOLDFAST_TRANSCRIPTS;
  return folder
    ? transcripts("tau-bench, gpt-4o-airline", readTauBench(join(folder, "tau-bench/gpt-4o-airline.json")))
    : transcripts("generated in the sizes of tau-bench", generate(200));
}

function transcripts(source: string, conversations: BenchMessage[][]): Transcripts {
  const messages = conversations.flat();
  return {
    source: `${source}: ${messages.length} messages in ${conversations.length} conversations`,
    conversations,
    messages,
    at: (index) => messages[index % messages.length] ?? {},
  };
}

/** The bytes of a message as JSON. */
export function bytesOf(message: BenchMessage): number {
  return Buffer.byteLength(JSON.stringify(message));
}

function readTauBench(path: string): BenchMessage[][] {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!Array.isArray(value)) throw new Error(`${path} holds no list of conversations`);
  return value.map((conversation: unknown) => {
    const found: unknown = isObject(conversation) ? conversation.traj : undefined;
    if (!Array.isArray(found)) throw new Error(`${path} holds a conversation without messages`);
    return found.filter(isObject);
  });
}

function isObject(value: unknown): value is BenchMessage {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Bytes of the system message of tau-bench's airline agent. */
const SYSTEM_BYTES = 6200;
const WORDS =
  "the a to of and for in is on your you flight from would like please reservation I need help with my can be was not have it that this payment card certificate economy business cabin passenger baggage refund cancel change booking date time airport confirm thank any other details travel insurance available cost total user".split(
    " ",
  );

/**
 * Sizes as measured in tau-bench, in bytes: user median 120; assistant median 246, p90 575; tool results about 100 in a
 * third of all cases, else about 950, up to 9.3 kB. 6 to 62 messages a conversation, 26 on average.
 */
function generate(count: number): BenchMessage[][] {
  const random = mulberry32(20_240_515);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const logNormal = (median: number, sigma: number): number => median * Math.exp(sigma * normal());
  const between = (low: number, value: number, high: number): number =>
    Math.round(Math.min(high, Math.max(low, value)));
  const text = (bytes: number): string => {
    let result = "";
    while (result.length < bytes) result += `${WORDS[Math.floor(random() * WORDS.length)] ?? ""} `;
    return result.slice(0, bytes);
  };
  const toolBytes = (): number => {
    const kind = random();
    if (kind < 0.3) return logNormal(60, 0.3);
    return kind < 0.95 ? logNormal(900, 0.25) : logNormal(3000, 0.6);
  };

  return Array.from({ length: count }, (_, index) => {
    const length = between(6, logNormal(24, 0.5), 62);
    const list: BenchMessage[] = [{ role: "system", content: text(SYSTEM_BYTES) }];
    for (let turn = 0; list.length < length; turn += 1) {
      list.push({ role: "user", content: text(between(20, logNormal(90, 0.35), 320)) });
      for (let call = 0; call < Math.floor(random() * 3) && list.length < length - 1; call += 1) {
        const id = `call_${index}_${turn}_${call}_${Math.floor(random() * 1e9)}`;
        const parameters = JSON.stringify({
          user_id: "mia_li_3668",
          query: text(between(10, logNormal(60, 0.7), 800)),
        });
        list.push({
          content: null,
          role: "assistant",
          tool_calls: [
            { function: { arguments: parameters, name: "get_user_details" }, id, type: "function" },
          ],
        });
        list.push({
          role: "tool",
          tool_call_id: id,
          name: "get_user_details",
          content: text(between(10, toolBytes(), 9200)),
        });
      }
      list.push({ content: text(between(30, logNormal(200, 0.7), 1300)), role: "assistant" });
    }
    return list;
  });
}

/** A small seeded generator. @see https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
