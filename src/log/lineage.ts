/**
 * @module
 * Which entries a fork inherits. A lineage is flat, root first, so that a fork of a fork costs one read a part.
 */
import type { LineagePart, SessionRecord } from "./record.ts";

/** A stretch of one session's log: its entries past `after`, up to and including `upTo`. */
export interface LogPart {
  readonly id: string;
  readonly after: number;
  readonly upTo: number;
  /** Whether it was erased for good: its positions are known, its entries are gone. */
  readonly erased: boolean;
}

/** Where the session's own log begins: its entries are those past this position. */
export function forkPoint(record: Pick<SessionRecord, "lineage">): number {
  return record.lineage.at(-1)?.upTo ?? 0;
}

/** The whole history of a session as stretches of logs, oldest first; the last one is its own. */
export function partsOf(record: Pick<SessionRecord, "id" | "seq" | "lineage">): LogPart[] {
  const parts: LogPart[] = [];
  let after = 0;
  const stretches: readonly LineagePart[] = [...record.lineage, { id: record.id, upTo: record.seq }];
  for (const { id, upTo, erased = false } of stretches) {
    if (upTo > after) parts.push({ id, after, upTo, erased });
    after = Math.max(after, upTo);
  }
  return parts;
}

/** The lineage of a fork of `record` at position `at`. */
export function lineageAt(record: Pick<SessionRecord, "id" | "seq" | "lineage">, at: number): LineagePart[] {
  return partsOf(record)
    .filter((part) => part.after < at)
    .map(({ id, upTo, erased }) => ({ id, upTo: Math.min(upTo, at), ...(erased && { erased }) }));
}
