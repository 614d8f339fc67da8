/**
 * @module
 * What is known of blobs: two kinds of record in a namespace that the layer keeps for itself, with the contract of any
 * store.
 *
 * - A **pointer**, one for each content at most, whose id is the hash: says which copy of it others may share. Its status:
 *   `active`, may be shared; `abandoned`, somebody is about to delete it; `deleted`, the copy is being deleted.
 * - A **reference**, one or more for each session and copy: `parentId` is the copy, `userId` the session, `life` the time
 *   at which that was created. Its status: `active`, written before a commit; `completed`, the log is known to name
 *   the copy; `deleted`, it holds nothing any more and is there until what it held is gone.
 *
 * A copy is named by its hash and random letters, and no name is ever used again. So a deletion that comes late can only
 * hit what was to be deleted anyway.
 *
 * Why a copy that somebody refers to is never deleted:
 *
 * 1. A writer writes its reference first, and then reads the pointer: only where that is still `active` with this copy does
 *    it commit an entry that names the copy. Else it makes a copy of its own, under a new name.
 * 2. Who deletes sets the pointer to `abandoned` first, and then lists the references. A writer that found the pointer
 *    `active` had its reference written before, so it is listed: the pointer becomes `active` again. If none is listed the
 *    pointer becomes `deleted`, for good, by compare-and-set; only then the bytes go. All that is compare-and-set, so of any
 *    number of deleters each step is made once, and one that comes late changes nothing.
 * 3. A copy without a pointer can't be shared any more: pointers are made once, by who made the copy and holds a reference.
 *    So once no pointer and then no reference is found, nobody can refer to it.
 * 4. A reference becomes `deleted` only where its session is gone, or where it is older than the grace time and neither the
 *    record nor the log of the session names the copy. A writer uses a reference that it wrote for no longer than half the
 *    grace time, unless an entry that names the copy was committed: the log keeps that.
 * 5. References are removed last. So a crash anywhere leaves something that a collection finds.
 */
import { randomBytes } from "node:crypto";
import type { Entry, EntryDraft } from "../../log/entry.ts";
import { positionalId } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { evolve } from "../../log/evolve.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, CommitOutcome, SessionStore, StoreQuery } from "../../store/store.ts";

/** One copy of some content: `hash.copy`. */
export type CopyName = string;

/** What a session holds on to. */
export interface Holding {
  readonly sessionId: string;
  /** `createdAt` of the session: tells it from another one under the same id. */
  readonly life: number;
  readonly hash: string;
  readonly copy: string;
  readonly bytes: number;
}

/** Some at a time, so that no statement grows without limit. */
const BATCH = 500;
const PAGE = 500;

export interface Ledger {
  /** The pointer of each hash. */
  pointers(hashes: readonly string[]): Promise<(SessionRecord | undefined)[]>;
  /** Makes pointers, where there are none. */
  point(copies: readonly Pick<Holding, "hash" | "copy" | "bytes">[]): Promise<void>;
  /** Writes a reference for each. */
  hold(holdings: readonly Holding[]): Promise<void>;
  /** Sets the status of each, where it is still as it was found. Which of them were. */
  set(
    records: readonly SessionRecord[],
    status: "active" | "completed" | "abandoned" | "deleted",
  ): Promise<boolean[]>;
  isHeld(name: CopyName): Promise<boolean>;
  references(query: Partial<StoreQuery>): AsyncGenerator<SessionRecord[]>;
  allPointers(query: Partial<StoreQuery>): AsyncGenerator<SessionRecord[]>;
  remove(records: readonly SessionRecord[]): Promise<void>;
}

export function nameOfCopy({ hash, copy }: Pick<Holding, "hash" | "copy">): CopyName {
  return `${hash}.${copy}`;
}

/** Letters that nobody had before. */
export function newCopy(): string {
  return randomBytes(8).toString("hex");
}

/** What a reference was written with. */
export function holdingOf({ metadata, parentId = "", userId = "" }: SessionRecord): Holding {
  const [hash = "", copy = ""] = parentId.split(".");
  return { sessionId: userId, life: Number(metadata.life), hash, copy, bytes: Number(metadata.bytes) };
}

/** The copy that a pointer points to. */
export function copyOf(pointer: SessionRecord): string {
  return String(pointer.metadata.copy);
}

/** Of a store's namespace that is the layer's own. */
export function createLedger(store: SessionStore, clock: () => number): Ledger {
  /** Tells lives of one id apart, as the contract does, also within a millisecond. */
  let lastMs = 0;
  const tick = (): number => {
    lastMs = Math.max(lastMs + 1, clock());
    return lastMs;
  };

  async function* pages(query: Partial<StoreQuery>): AsyncGenerator<SessionRecord[]> {
    let cursor: string | undefined;
    do {
      const page = await store.list({
        order: "created",
        limit: PAGE,
        ...query,
        ...(cursor !== undefined && { cursor }),
      });
      if (page.items.length > 0) yield page.items;
      ({ cursor } = page);
    } while (cursor !== undefined);
  }

  const commitAll = async (commits: readonly Commit[]): Promise<CommitOutcome[]> => {
    const outcomes: CommitOutcome[] = [];
    for (let from = 0; from < commits.length; from += BATCH)
      outcomes.push(...(await store.commit(commits.slice(from, from + BATCH))));
    return outcomes;
  };

  const creation = (
    id: string,
    data: Pick<SessionRecord, "kind" | "parentId" | "userId" | "metadata">,
  ): Commit =>
    commitOf(undefined, id, tick(), {
      type: "session.created",
      data: { id, namespace: store.namespaceName ?? "", dataVersion: 1, ...data },
    });

  return {
    async pointers(hashes) {
      const found: (SessionRecord | undefined)[] = [];
      for (let from = 0; from < hashes.length; from += BATCH)
        found.push(...(await store.find(hashes.slice(from, from + BATCH))));
      return found;
    },

    async point(copies) {
      // Where somebody else made one meanwhile, that stays: this copy is not shared then.
      await commitAll(
        copies.map(({ hash, copy, bytes }) => creation(hash, { kind: "session", metadata: { copy, bytes } })),
      );
    },

    async hold(holdings) {
      const outcomes = await commitAll(
        holdings.map((holding) =>
          creation(`reference ${randomBytes(12).toString("base64url")}`, {
            kind: "child",
            parentId: nameOfCopy(holding),
            userId: holding.sessionId,
            metadata: { life: holding.life, bytes: holding.bytes },
          }),
        ),
      );
      if (outcomes.some(({ status }) => status !== "committed")) {
        throw new HoldfastError(
          "STORE_CORRUPT",
          `the ${store.name} store says that a reference to a blob is there already, though its id is random; run the conformance suite on it`,
          { store: store.name },
        );
      }
    },

    async set(records, status) {
      const draft: EntryDraft =
        status === "deleted"
          ? { type: "session.deleted", data: {} }
          : { type: "status.set", data: { status } };
      const commits = records.map((record) => commitOf(record, record.id, tick(), draft));
      return (await commitAll(commits)).map((outcome) => outcome.status === "committed");
    },

    async isHeld(name) {
      const { items } = await store.list({ parentId: name, order: "created", limit: 1 });
      return items.length > 0;
    },

    references: (query) => pages({ ...query, kind: "child" }),
    allPointers: (query) => pages({ ...query, kind: "session" }),

    async remove(records) {
      for (const { id } of records) await store.remove(id);
    },
  };
}

function commitOf(record: SessionRecord | undefined, id: string, at: number, draft: EntryDraft): Commit {
  const seq = (record?.seq ?? 0) + 1;
  const commit = randomBytes(12).toString("base64url");
  const entry: Entry = { seq, type: draft.type, data: draft.data, id: positionalId(seq), at, commit };
  return {
    sessionId: id,
    expectedVersion: record?.version ?? 0,
    entries: [entry],
    record: evolve(record, entry),
  };
}
