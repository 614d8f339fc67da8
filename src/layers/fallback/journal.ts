/**
 * @module
 * What is kept beside the primary. The replica: copies of sessions, log and record, in the namespaces that they have there.
 * The journal: a small session for each one whose replica holds commits that the primary has yet to get, which says where
 * these begin. It is written before the first of them, and removed after the last of them is in the primary.
 */
import { createHash } from "node:crypto";
import type { Entry } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { evolveAll } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import { toStoreQuery } from "../../store/query.ts";
import type { Commit, SessionStore } from "../../store/store.ts";
import { INTERNAL, internal } from "../layer.ts";
import type { Ownership } from "./owner.ts";
import { takeJournal } from "./owner.ts";

/** A session whose replica is ahead of the primary. */
export interface Debt {
  readonly namespace: string;
  readonly sessionId: string;
  /** What the primary has, as far as it was known; absent where the session began here. */
  readonly base?: { readonly version: number; readonly seq: number; readonly createdAt: number };
  /** Whether the primary may have got the first of the commits: it was sent there and no answer came. */
  readonly isSent: boolean;
}

export interface Journal {
  /** By {@link keyOf}. */
  readonly debts: ReadonlyMap<string, Debt>;
  /** Takes the journal for this process and finds what an earlier one left. Once; later calls wait for the same. */
  open(): Promise<void>;
  replicaOf(namespace: string): SessionStore;
  /** Resolves once the journal says so. */
  owe(debts: readonly Debt[]): Promise<void>;
  /** From here on the session is the primary's; `drop` removes its replica before the journal forgets it. */
  settle(debt: Debt, drop: boolean): Promise<void>;
  close(): Promise<void>;
}

export function keyOf(namespace: string, sessionId: string): string {
  return `${namespace}\n${sessionId}`;
}

/** Whether it is a namespace that layers keep for themselves. */
export function isOfLayers(namespace: string): boolean {
  return namespace.split("/").some((name) => name.startsWith(INTERNAL));
}

/** The namespace at `path` within `root`, where `path` is as records name it. */
export function namespaceAt(root: SessionStore, path: string): SessionStore {
  const names = path === "" ? [] : path.split("/").map(decodeURIComponent);
  return names.reduce(
    // Layers keep some for themselves.
    (view, name) =>
      name.startsWith(INTERNAL) ? internal(view, name.slice(INTERNAL.length)) : view.namespace(name),
    root,
  );
}

const PAGE = 1000;

export function createJournal(store: SessionStore, takeOver: boolean): Journal {
  const marks = internal(store, "journal");
  const replicas = internal(store, "replica");
  const debts = new Map<string, Debt>();
  let opening: Promise<Ownership> | undefined;

  async function open(): Promise<Ownership> {
    const ownership = await takeJournal(internal(store, "owner"), takeOver);
    let cursor: string | undefined;
    do {
      const page = await marks.list(
        toStoreQuery({ order: "created", limit: PAGE, ...(cursor !== undefined && { cursor }) }),
      );
      for (const record of page.items) {
        const debt = debtOf(record);
        debts.set(keyOf(debt.namespace, debt.sessionId), debt);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ownership;
  }

  return {
    debts,
    async open() {
      opening ??= open();
      try {
        await opening;
      } catch (error) {
        opening = undefined;
        throw error;
      }
    },
    replicaOf: (namespace) => namespaceAt(replicas, namespace),
    async owe(fresh) {
      if (fresh.length === 0) return;
      const commits = fresh.map(markOf);
      const outcomes = await marks.commit(commits);
      const left = commits.filter((_commit, index) => outcomes[index]?.status !== "committed");
      // A failure kept an earlier one from being removed, when all that it was for had been done.
      for (const { sessionId } of left) await marks.remove(sessionId);
      const again = left.length > 0 ? await marks.commit(left) : [];
      if (again.some(({ status }) => status !== "committed")) throw notOurs(store.name);
      for (const debt of fresh) debts.set(keyOf(debt.namespace, debt.sessionId), debt);
    },
    async settle(debt, drop) {
      const { namespace, sessionId } = debt;
      // Nobody reads a replica that is being removed.
      if (drop) {
        debts.delete(keyOf(namespace, sessionId));
        await namespaceAt(replicas, namespace).remove(sessionId);
      }
      await marks.remove(markId(debt));
      debts.delete(keyOf(namespace, sessionId));
    },
    async close() {
      try {
        if (opening) await (await opening).release();
      } finally {
        await store.close();
      }
    },
  };
}

/** Of a fixed length: namespace and id may each be as long as an id can be. */
function markId({ namespace, sessionId }: Debt): string {
  return createHash("sha256").update(keyOf(namespace, sessionId)).digest("base64url");
}

function markOf(debt: Debt): Commit {
  const { namespace, sessionId, base, isSent } = debt;
  const id = markId(debt);
  const metadata = { namespace, sessionId, isSent, ...base };
  const entry: Entry = {
    seq: 1,
    id: positionalId(1),
    type: "session.created",
    data: { id, namespace: "", kind: "session", dataVersion: 1, metadata },
    at: Date.now(),
    commit: id,
  };
  const record = evolveAll(undefined, [entry]);
  if (record === undefined) throw new TypeError("a creation leads to a record");
  return { sessionId: id, expectedVersion: 0, entries: [entry], record };
}

function debtOf({ id, metadata }: SessionRecord): Debt {
  const { namespace, sessionId, isSent, version, seq, createdAt } = metadata;
  if (typeof namespace !== "string" || typeof sessionId !== "string") {
    throw new HoldfastError(
      "STORE_CORRUPT",
      `the journal holds ${JSON.stringify(id)}, which it did not write; give the fallback a journal that nothing else writes to`,
    );
  }
  const isKnown = typeof version === "number" && typeof seq === "number" && typeof createdAt === "number";
  return {
    namespace,
    sessionId,
    isSent: isSent === true,
    ...(isKnown && { base: { version, seq, createdAt } }),
  };
}

function notOurs(store: string): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    "another process writes to the journal; nothing was written: give each process a journal of its own",
    { store, retryable: false },
  );
}
