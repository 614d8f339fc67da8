/**
 * @module
 * Values as the tables hold them: all text as bytes, in columns without a character set. So neither the connection's
 * character set, nor a collation, nor `sql_mode` has a say in what is stored, compared and ordered.
 */
import { createHash } from "node:crypto";
import type { SessionRecord } from "../../log/record.ts";
import { metadataTokens } from "../sql/projections.ts";

export type SqlValue = Buffer | string | number | null;

/** Begins bytes that are no UTF-8; no byte of UTF-8 is this. */
const NOT_UTF8 = 0xff;
/** What an id, and any column that a list asks for, takes. */
export const MAX_ID_BYTES = 512;

/** `text` in UTF-8; with half of a surrogate pair in it, which UTF-8 has no form for, in UTF-16 behind a mark. */
export function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  return Buffer.concat([Buffer.of(NOT_UTF8), Buffer.from(text, "utf16le")]);
}

/** The text that {@link bytesOf} made `bytes` of. */
export function textOf(bytes: Uint8Array): string {
  const held = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return held[0] === NOT_UTF8 ? held.toString("utf16le", 1) : held.toString();
}

/** `text` for a column that is only compared: a long one by its hash, which begins as no text does. */
export function comparedBytes(text: string): Buffer {
  const bytes = bytesOf(text);
  if (bytes.length <= MAX_ID_BYTES && bytes[0] !== NOT_UTF8) return bytes;
  return Buffer.concat([Buffer.of(NOT_UTF8), createHash("sha256").update(bytes).digest()]);
}

export function comparedOrNull(text: string | undefined): SqlValue {
  return text === undefined ? null : comparedBytes(text);
}

/** What a list can ask of metadata: `;a;;b;`, a digest for each key with a plain value, sorted; `null` for none. */
export function metadataBytes(metadata: SessionRecord["metadata"]): SqlValue {
  const digests = digestsOf(metadata);
  return digests.length === 0 ? null : Buffer.from(`;${digests.join(";;")};`);
}

/** A pattern for LIKE that just those match that hold each key of `wanted` with its value. It needs no escape. */
export function metadataPattern(wanted: SessionRecord["metadata"]): string {
  return `%;${digestsOf(wanted).join(";%;")};%`;
}

function digestsOf(metadata: SessionRecord["metadata"]): string[] {
  return metadataTokens(metadata)
    .map((token) => createHash("sha256").update(bytesOf(token)).digest("hex").slice(0, 32))
    .sort();
}

/** A number as a `BIGINT`: past what a position can be, the last one. */
export function wholeNumber(value: number): number {
  return Math.floor(Math.min(Math.max(value, -1), Number.MAX_SAFE_INTEGER));
}

/** `(?, ?, …)` for `count` values. */
export function placeholders(count: number): string {
  return `(${Array(count).fill("?").join(", ")})`;
}
