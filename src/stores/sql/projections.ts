/**
 * @module
 * What stands in index columns in place of what it is made of. For every SQL dialect.
 */
import { createHash } from "node:crypto";
import type { SessionRecord } from "../../log/record.ts";

/**
 * Namespaces stand in index rows beside two ids. The shortest limit of any dialect is PostgreSQL's 2,704 bytes, and an id
 * takes up to 1,024 there.
 */
const MAX_NAMESPACE_LENGTH = 255;

/** The path of a namespace, which is ASCII; a long one by its hash, which begins as no path does. */
export function storedNamespace(path: string): string {
  if (path.length <= MAX_NAMESPACE_LENGTH) return path;
  return `#${createHash("sha256").update(path).digest("base64url")}`;
}

const MAX_TOKEN_LENGTH = 200;

/** What a list can ask of metadata: a text for each key with a plain value, the same for the same key, type and value. */
export function metadataTokens(metadata: SessionRecord["metadata"]): string[] {
  const tokens: string[] = [];
  for (const [key, value] of Object.entries(metadata)) {
    if (value !== null && !["string", "number", "boolean"].includes(typeof value)) continue;
    const token = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    const isLong = token.length > MAX_TOKEN_LENGTH;
    tokens.push(isLong ? `#${createHash("sha256").update(token).digest("base64url")}` : token);
  }
  return tokens;
}
