/**
 * @module
 * Values as PostgreSQL can hold them. Every parameter is bound as text and cast in the statement, so that no driver's
 * own idea of a type plays a part.
 */

export { metadataTokens, storedNamespace } from "../sql/projections.ts";

export type SqlValue = string | null;

const ESCAPE = "\u0001";
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are escaped
const NEEDS_ESCAPE = /[\u0000\u0001]|\p{Surrogate}|^\ufeff/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const ESCAPED = /\u0001(\u0001|\u0002|\u0003[0-9a-f]{4})/g;

/**
 * `text` without what PostgreSQL can't hold, NUL and half of a surrogate pair, and without a byte order mark at its
 * beginning, which PGlite leaves out when it reads. No two texts become the same one, and ASCII keeps its order.
 */
export function storedText(text: string): string {
  return text.replace(NEEDS_ESCAPE, (character) => {
    if (character === "\0") return `${ESCAPE}\u0001`;
    if (character === ESCAPE) return `${ESCAPE}\u0002`;
    return `${ESCAPE}\u0003${character.charCodeAt(0).toString(16)}`;
  });
}

/** The text that {@link storedText} made `stored` of. */
export function textOf(stored: string): string {
  if (!stored.includes(ESCAPE)) return stored;
  return stored.replace(ESCAPED, (_, code: string) => {
    if (code === "\u0001") return "\0";
    return code === "\u0002" ? ESCAPE : String.fromCharCode(Number.parseInt(code.slice(1), 16));
  });
}

export function storedOrNull(text: string | undefined): SqlValue {
  return text === undefined ? null : storedText(text);
}

/** `values` as the text of an array, for a parameter that is cast to `text[]` or an array of numbers. */
export function arrayText(values: readonly (string | number | null)[]): string {
  const elements = values.map((value) =>
    typeof value === "string" ? quoted(value) : String(value ?? "NULL"),
  );
  return `{${elements.join(",")}}`;
}

/** Two passes for two texts take half of the time of one for a pattern. */
function quoted(element: string): string {
  return `"${element.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A number as a `bigint`: past what a position can be, the last one. */
export function bigintText(value: number): string {
  const bounded = Math.min(Math.max(value, -1), Number.MAX_SAFE_INTEGER);
  return String(Math.floor(bounded));
}

/** The statement with `$1`, `$2`, … from `first` on in place of each `?`. */
export function numbered(sql: string, first: number): string {
  let index = first - 1;
  return sql.replace(/\?/g, () => {
    index += 1;
    return `$${index}`;
  });
}
