/**
 * @module
 * The id by which a second import finds what the first one brought in.
 */
import { createHash } from "node:crypto";
import { byteLength } from "../../log/values.ts";
import type { ImportFormat } from "./types.ts";

const MAX_BYTES = 200;

/**
 * `<format>:<part>:<part>…`, the same for the same parts and different for different ones; a digest of the parts where
 * that would be longer than 200 bytes.
 */
export function sourceIdOf(format: ImportFormat, ...parts: readonly string[]): string {
  const id = [format, ...parts.map(escaped)].join(":");
  if (id.isWellFormed() && byteLength(id) <= MAX_BYTES) return id;
  return `${format}:sha256-${sha256(JSON.stringify(parts))}`;
}

/** 64 bits of the SHA-256 of what the value says, in hexadecimal; its layout in the file does not matter. */
export function contentHash(value: unknown): string {
  return sha256(JSON.stringify(value)).slice(0, 16);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function escaped(part: string): string {
  return part.replace(
    /[%:\p{Cc}]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
