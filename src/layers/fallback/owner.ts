/**
 * @module
 * Whose a journal is. What keeps a journal right happens one after another within one process, so another one that is given
 * the same journal must be refused, and the next one after a crash must not be.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { threadId } from "node:worker_threads";
import type { Entry } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { evolveAll } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { SessionStore } from "../../store/store.ts";

const ID = "owner";

/** The journals that this thread holds. */
const held = new Set<string>();

export interface Ownership {
  release(): Promise<void>;
}

/**
 * Takes the journal for this process.
 *
 * @throws STORE_UNAVAILABLE where another process that is alive holds it, or one on another machine and `takeOver` isn't set.
 */
export async function takeJournal(owners: SessionStore, takeOver: boolean): Promise<Ownership> {
  const token = randomBytes(12).toString("base64url");
  const own = { host: hostname(), pid: process.pid, thread: threadId, birth: birthOf(process.pid), token };
  for (;;) {
    const [record] = await owners.find([ID]);
    if (record && !takeOver && isAlive(record)) throw inUse(owners.name, record);
    const seq = (record?.seq ?? 0) + 1;
    const at = Date.now();
    const common = { seq, id: positionalId(seq), at, commit: token };
    const entry: Entry = record
      ? { ...common, type: "metadata.patched", data: { patch: own } }
      : {
          ...common,
          type: "session.created",
          data: { id: ID, namespace: "", kind: "session", dataVersion: 1, metadata: own },
        };
    const next = evolveAll(record, [entry]);
    if (next === undefined) continue;
    const expectedVersion = record?.version ?? 0;
    const [outcome] = await owners.commit([
      { sessionId: ID, expectedVersion, entries: [entry], record: next },
    ]);
    if (outcome?.status === "committed") break;
  }
  held.add(token);
  return {
    async release() {
      if (!held.delete(token)) return;
      const [record] = await owners.find([ID]);
      // Somebody may have been told to take it over.
      if (record?.metadata.token === token) await owners.remove(ID);
    },
  };
}

function isAlive({ metadata }: SessionRecord): boolean {
  const { host, pid, thread, birth, token } = metadata;
  if (host !== hostname()) return true;
  if (typeof pid !== "number") return false;
  if (pid === process.pid) {
    if (birth !== birthOf(pid)) return false;
    return thread === threadId ? typeof token === "string" && held.has(token) : true;
  }
  if (!isRunning(pid)) return false;
  // A number of a process is used again, above all in containers; when it began isn't.
  return birth === "" || birth === birthOf(pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/**
 * When a process began, in ticks since a start of the system that has an id; "" where that can't be told.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html field 22
 */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()}/${started}`;
  } catch {
    return "";
  }
}

function inUse(store: string, { metadata }: SessionRecord): HoldfastError {
  const whose = `process ${metadata.pid} on ${metadata.host}`;
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the journal is in use by ${whose}: give each process, and each fallbackStore, a journal of its own; where that process is gone for good, pass takeOver: true once`,
    { store, retryable: false },
  );
}
