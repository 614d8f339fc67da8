/**
 * @module
 * Windows: how much of a conversation a model is sent.
 */
import type { StoredObject } from "./entry.ts";
import { invalidArgument } from "./errors.ts";
import { toolResultIdsOf } from "./tool-calls.ts";
import { encodeValue } from "./values.ts";

/** Limits on what a model is sent. All that are given hold; none: everything. */
export interface WindowOptions {
  /** At most so many messages. */
  readonly lastMessages?: number;
  /** At most so many turns; a turn begins with a message of the user. */
  readonly lastTurns?: number;
  /** At most so many tokens, as `countTokens` counts them. */
  readonly maxTokens?: number;
  /** Default: {@link estimateTokens}. */
  readonly countTokens?: (message: StoredObject) => number;
}

/** Takes messages newest first for as long as they fit. */
export interface WindowTaker {
  /** Counts messages that are sent in any case against the tokens. */
  reserve(messages: readonly StoredObject[]): void;
  /** Whether `message` is within the window. After the first `false`, no older one is. */
  take(message: StoredObject): boolean;
}

/**
 * @throws INVALID_ARGUMENT for a limit that is not a whole number of at least 1, and from `take` and `reserve` where
 *   `countTokens` does not answer with a number.
 */
export function windowTaker(options: WindowOptions): WindowTaker {
  for (const key of ["lastMessages", "lastTurns", "maxTokens"] as const) {
    const value = options[key];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      throw invalidArgument(`${key} must be a whole number of at least 1, not ${String(value)}`);
    }
  }
  const {
    lastMessages = Infinity,
    lastTurns = Infinity,
    maxTokens = Infinity,
    countTokens = estimateTokens,
  } = options;
  let messages = 0;
  let turns = 0;
  let tokens = 0;
  let full = false;
  const count = (message: StoredObject): void => {
    if (maxTokens === Infinity) return;
    const counted = countTokens(message);
    // Anything else (a promise, NaN) would make every comparison below come out false, and the window endless.
    if (!(typeof counted === "number" && counted >= 0)) {
      throw invalidArgument(`countTokens must answer with a number of at least 0, not ${String(counted)}`);
    }
    tokens += counted;
  };
  return {
    reserve(reserved) {
      reserved.forEach(count);
    },
    take(message) {
      if (full) return false;
      count(message);
      if (tokens > maxTokens) return false;
      messages += 1;
      if (isUserTurn(message)) turns += 1;
      full = messages >= lastMessages || turns >= lastTurns;
      return true;
    },
  };
}

/**
 * Where a window that was cut out of a longer conversation may begin: past tool results whose calls were cut off, and
 * at a message of the user (which some providers demand) where that costs no more than half of the window.
 */
export function windowStart(messages: readonly StoredObject[]): number {
  const user = messages.findIndex(isUserTurn);
  if (user >= 0 && user <= messages.length / 2) return user;
  const first = messages.findIndex((message) => toolResultIdsOf(message).length === 0);
  return first < 0 ? messages.length : first;
}

/** Whether a message is the user's own words, not a tool result in the user's name (as Anthropic sends them). */
export function isUserTurn(message: StoredObject): boolean {
  return message.role === "user" && toolResultIdsOf(message).length === 0;
}

/**
 * A rough count where no tokenizer is at hand: 4 characters of stored JSON a token, and 4 tokens a message.
 *
 * @see https://platform.openai.com/tokenizer for the rule of thumb.
 */
export function estimateTokens(message: StoredObject): number {
  return Math.ceil(encodeValue(message).length / 4) + 4;
}
