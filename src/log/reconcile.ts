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
  const same = (have: StoredMessage | undefined, want: NewMessage | undefined): boolean =>
    have !== undefined && want !== undefined && encodeValue(have.message) === encodeValue(want.message);
  let start = 0;
  while (start < Math.min(current.length, wanted.length) && same(current[start], wanted[start])) start += 1;
  let tail = 0;
  const most = Math.min(current.length, wanted.length) - start;
  while (tail < most && same(current.at(-1 - tail), wanted.at(-1 - tail))) tail += 1;
  if (wanted.length > current.length) tail = 0;

  const have = current.slice(start, current.length - tail);
  const want = wanted.slice(start, wanted.length - tail);
  return {
    removed: have.slice(want.length).map(({ seq }) => seq),
    revised: have.flatMap((message, index) => {
      const next = want[index];
      return next === undefined || same(message, next) ? [] : [{ seq: message.seq, message: next.message }];
    }),
    added: want.slice(have.length),
  };
}
