/**
 * @module
 * Replies of Redis as plain values, whichever client decoded them: some give Buffers, some numbers as text.
 */
import { HoldfastError } from "../../log/errors.ts";

export const NAME = "redis";

/** A reply that is one string; "" where Redis answered with nothing. */
export function toText(reply: unknown): string {
  if (typeof reply === "string") return reply;
  if (reply === null || reply === undefined) return "";
  if (typeof reply === "number" || typeof reply === "bigint") return String(reply);
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString();
  throw unexpected(reply);
}

/** A reply that is a list; an empty one where Redis answered with nothing. */
export function toList(reply: unknown): unknown[] {
  if (reply === null || reply === undefined) return [];
  if (Array.isArray(reply)) return reply;
  throw unexpected(reply);
}

function unexpected(reply: unknown): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the Redis client answered with ${typeof reply}, which no command of the store is answered with; give the store a client without reply transformers of its own`,
    { store: NAME, retryable: false },
  );
}
