/**
 * @module
 * How to make a conversation read as wanted while touching only what differs.
 */
import type { NewMessage, Revision } from "./decide.ts";
import type { StoredMessage } from "./transcript.ts";
import { encodeValue } from "./values.ts";

export interface Reconciliation {
  /** Positions of messages to remove. */
  readonly removed: readonly number[];
  readonly revised: readonly Revision[];
  readonly added: readonly NewMessage[];
}

/**
 * The changes that turn `current` into `wanted`. What both begin and end with is kept; between, messages are revised in
 * place, and what is over is removed or, at the end, appended. A message can't be put between others, so where one is
 * inserted all behind it are revised.
 */
export function reconcile(current: readonly StoredMessage[], wanted: readonly NewMessage[]): Reconciliation {
  const have = current.map(({ message }) => encodeValue(message));
  const want = wanted.map(({ message }) => encodeValue(message));
  const shared = Math.min(have.length, want.length);
  let start = 0;
  while (start < shared && have[start] === want[start]) start += 1;
  let tail = 0;
  if (want.length <= have.length) {
    while (tail < shared - start && have.at(-1 - tail) === want.at(-1 - tail)) tail += 1;
  }
  const end = wanted.length - tail;
  const revised: Revision[] = [];
  const added: NewMessage[] = [];
  for (const [index, next] of wanted.slice(0, end).entries()) {
    const there = current[index];
    if (there === undefined) added.push(next);
    else if (have[index] !== want[index]) revised.push({ seq: there.seq, message: next.message });
  }
  return { removed: current.slice(end, current.length - tail).map(({ seq }) => seq), revised, added };
}
