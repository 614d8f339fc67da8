/**
 * @module
 * What is wrong with a store. Reads everything and writes nothing.
 */
import { isDeepStrictEqual } from "node:util";
import type { SessionRecord, SessionStore } from "../index.ts";
import { evolve } from "../log/evolve.ts";
import { forkPoint } from "../log/lineage.ts";
import { isExpired } from "../log/record.ts";
import { everyRecord } from "./every-record.ts";
import { failureOf } from "./failure.ts";
import { dateTime } from "./format.ts";

/** `error`: something is wrong. `note`: something waits for somebody, and nothing is wrong. */
export interface Finding {
  readonly level: "error" | "note";
  readonly sessionId?: string;
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Whether `--repair` does it. */
  readonly repairable: boolean;
}

export interface HealthReport {
  readonly store: string;
  readonly sessions: number;
  readonly entries: number;
}

export interface HealthOptions {
  onFinding(finding: Finding): void;
  onProgress(done: number, total: number): void;
}

const PAGE = 500;

/** Checks the store and every session of it. */
export async function checkStore(
  store: SessionStore,
  { onFinding, onProgress }: HealthOptions,
): Promise<HealthReport> {
  const error = (message: string, remedy: string, sessionId?: string): void =>
    onFinding({
      level: "error",
      message,
      remedy,
      repairable: false,
      ...(sessionId !== undefined && { sessionId }),
    });
  let sessions = 0;
  let entries = 0;
  try {
    await store.ping();
    for await (const { kind, place, message, remedy } of store.inspect?.() ?? []) {
      const level = kind === "damaged" ? "error" : "note";
      onFinding({ level, message: `${place}: ${message}`, remedy, repairable: false });
    }
    let total = 0;
    for await (const _record of everyRecord(store)) total += 1;
    for await (const record of everyRecord(store)) {
      for (const finding of notesOn(record)) onFinding(finding);
      try {
        entries += await checkLog(store, record, error);
        await checkLineage(store, record, error);
      } catch (thrown) {
        error(failureOf(thrown).message, "restore this session from a backup", record.id);
      }
      sessions += 1;
      onProgress(sessions, total);
    }
  } catch (thrown) {
    const { code, message } = failureOf(thrown);
    error(message, remedyFor(code));
  }
  return { store: store.name, sessions, entries };
}

type Report = (message: string, remedy: string, sessionId?: string) => void;

function remedyFor(code: string): string {
  if (code === "MIGRATION_REQUIRED") return "update this program, or run `holdfast migrate`";
  if (code === "STORE_UNAVAILABLE") return "see that nothing else holds the store, and that it may be read";
  return "restore the store from a backup; `holdfast export` saves the sessions that can still be read";
}

function notesOn(record: SessionRecord): Finding[] {
  const { id, turn, expiresAt } = record;
  const now = Date.now();
  const notes: Finding[] = [];
  if (turn && turn.until <= now && record.status !== "deleted") {
    notes.push({
      level: "note",
      sessionId: id,
      message: `a turn of ${turn.owner} was interrupted; its lease ran out at ${dateTime(turn.until)}`,
      remedy:
        "go on with session.turn(run, { resume: true }), or close it with session.abandonTurn(); the next turn closes it too",
      repairable: false,
    });
  }
  if (isExpired(record, now)) {
    notes.push({
      level: "note",
      sessionId: id,
      message: `it expired at ${dateTime(expiresAt ?? now)} and is still stored`,
      remedy: "`holdfast doctor --repair` or `holdfast prune` removes it",
      repairable: true,
    });
  }
  return notes;
}

/** The log has no gap and leads to the record. Answers with how many entries there are. */
async function checkLog(store: SessionStore, record: SessionRecord, report: Report): Promise<number> {
  const { id } = record;
  const start = forkPoint(record);
  let folded: SessionRecord | undefined;
  let position = start;
  for (;;) {
    const page = await store.read(id, { after: position, limit: PAGE });
    for (const entry of page) {
      if (entry.seq !== position + 1) {
        report(
          `entry ${position + 1} is missing: ${entry.seq} follows ${position}`,
          "restore this session from a backup; `holdfast export` saves what can be read",
          id,
        );
        return position - start;
      }
      folded = evolve(folded, entry);
      position = entry.seq;
    }
    if (page.length < PAGE) break;
  }
  // Somebody may have written since the record was read; then the newest one counts.
  const [now] = position === record.seq ? [record] : await store.find([id]);
  if (now && now.seq !== position) {
    report(
      `its record says that there are ${now.seq} entries, and its log ends at ${position}`,
      "restore this session from a backup; `holdfast export` saves what can be read",
      id,
    );
  } else if (now && !isDeepStrictEqual(now, folded)) {
    report(
      `its record is not what its log leads to (${differing(now, folded).join(", ")})`,
      "the log is the truth: `holdfast export` it, `holdfast rm` it, and `holdfast import` makes the record anew",
      id,
    );
  }
  return position - start;
}

function differing(one: SessionRecord, other: SessionRecord | undefined): string[] {
  const [left, right] = [
    new Map<string, unknown>(Object.entries(one)),
    new Map<string, unknown>(Object.entries(other ?? {})),
  ];
  return [...new Set([...left.keys(), ...right.keys()])].filter(
    (key) => !isDeepStrictEqual(left.get(key), right.get(key)),
  );
}

/** What the session inherits is there, and its parents end somewhere. */
async function checkLineage(store: SessionStore, record: SessionRecord, report: Report): Promise<void> {
  const { id, lineage } = record;
  const parents = await store.find(lineage.map((part) => part.id));
  for (const [index, part] of lineage.entries()) {
    if (part.erased) continue;
    const parent = parents[index];
    const problem =
      parent === undefined
        ? "which is missing from the store"
        : parent.seq < part.upTo
          ? `which ends at ${parent.seq}`
          : undefined;
    if (problem === undefined) continue;
    report(
      `it inherits entries up to ${part.upTo} from ${JSON.stringify(part.id)}, ${problem}`,
      "restore that session from a backup",
      id,
    );
  }
  const seen = new Set([id]);
  let parentId = record.parentId;
  while (parentId !== undefined) {
    if (seen.has(parentId)) {
      report(
        `its parents go round in a circle: ${[...seen, parentId].join(" → ")}`,
        "restore these sessions from a backup",
        id,
      );
      return;
    }
    seen.add(parentId);
    const [parent] = await store.find([parentId]);
    parentId = parent?.parentId;
  }
}
