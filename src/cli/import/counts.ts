/**
 * @module
 * Counting the lines of a transcript that are not part of the conversation, so that what is left out is known.
 */

/** How many lines there were of each type. */
export interface Counts {
  add(type: unknown): void;
  /** `{ otherLines }`, or nothing where nothing was counted. */
  asMetadata(): { otherLines?: Record<string, number> };
}

export function newCounts(): Counts {
  const counts = new Map<string, number>();
  return {
    add(type) {
      const name = typeof type === "string" ? type : "unknown";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    asMetadata: () => (counts.size === 0 ? {} : { otherLines: Object.fromEntries(counts) }),
  };
}
