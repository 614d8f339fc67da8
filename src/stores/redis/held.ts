/**
 * @module
 * The value of a record's key, as the scripts write it: a place, a record and, on some, how long it is kept.
 */
import { HoldfastError } from "../../log/errors.ts";
import { NAME } from "./replies.ts";

export interface Held {
  /** Where its rows are, as text: no two commits have the same. */
  readonly place: string;
  /** The record as text. */
  readonly text: string;
  /** Until when it is kept for others: `"inf"` for ever, `"-"` where it isn't. */
  readonly kept: string;
  /** How many have begun to inherit from it. */
  readonly heirs: string;
}

/**
 * The parts of `value`; `undefined` where there is none.
 *
 * @throws STORE_CORRUPT where another program wrote it.
 */
export function heldIn(value: string, sessionId: string): Held | undefined {
  if (value === "") return undefined;
  const endOfPlace = value.indexOf("\n");
  if (endOfPlace < 0) throw damaged(sessionId);
  const endOfRecord = value.indexOf("\n", endOfPlace + 1);
  const place = value.slice(0, endOfPlace);
  if (endOfRecord < 0) return { place, text: value.slice(endOfPlace + 1), kept: "-", heirs: "0" };
  const [kept = "-", heirs = "0"] = value.slice(endOfRecord + 1).split(" ");
  return { place, text: value.slice(endOfPlace + 1, endOfRecord), kept, heirs };
}

export function damaged(sessionId: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `the record of session ${JSON.stringify(sessionId)} is not as this store writes it, so another program changed it; nothing was changed: restore a backup, or run "holdfast doctor"`,
    { sessionId, store: NAME },
  );
}
