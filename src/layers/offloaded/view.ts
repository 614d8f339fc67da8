/**
 * @module
 * The layer in one namespace of a store.
 */
import { createHash } from "node:crypto";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, CommitOutcome, SessionStore, StoreCapabilities } from "../../store/store.ts";
import type { LayerMethods } from "../layer.ts";
import { internal } from "../layer.ts";
import { createAcquirer } from "./acquire.ts";
import type { BlobStore } from "./blob-store.ts";
import type { BlobCollection, CollectOptions } from "./collect.ts";
import { collectFrom } from "./collect.ts";
import { createCommit } from "./commit.ts";
import { createFetcher } from "./fetch.ts";
import { guarded } from "./guarded.ts";
import { createIncoming } from "./incoming.ts";
import type { CopyName, Holding } from "./ledger.ts";
import { createLedger, holdingOf } from "./ledger.ts";
import { createOutgoing } from "./outgoing.ts";
import { putBack } from "./references.ts";
import { createReleaser } from "./release.ts";

export interface ViewOptions {
  readonly blobs: BlobStore;
  readonly thresholdBytes: number;
  readonly searchableBytes: number;
  readonly graceMs: number;
  readonly cacheBytes: number;
  readonly clock: () => number;
  /** Whether the store below knows all there is: not while it bridges an outage. */
  readonly isWhole: () => boolean;
}

export interface View {
  readonly methods: LayerMethods;
  collect(options: CollectOptions): Promise<BlobCollection>;
}

/** An entry is JSON text in memory several times on its way, whatever the store below takes. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;
/** A store whose lists are behind shows what was written after this time: OpenSearch by default after a second. */
const SETTLE_MS = 60_000;
const SWEEP_PAGE = 1000;
const DURABILITIES = ["process", "os", "disk", "replicated"] as const;

export function createView(inner: SessionStore, options: ViewOptions): View {
  const { thresholdBytes, searchableBytes, graceMs, cacheBytes, clock, isWhole } = options;
  const blobs = guarded(options.blobs, inner.name);
  const { search, watch, sweep } = inner;
  const capabilities = capabilitiesOf(inner.capabilities, blobs);
  const prefix = prefixOf(inner.namespaceName ?? "");
  const keyOf = (name: CopyName): string => `${prefix}/${name.slice(0, 2)}/${name}`;
  const ledger = createLedger(internal(inner, "blobs"), clock);
  const settleMs = inner.capabilities.listConsistency === "eventual" ? SETTLE_MS : 0;
  const releaser = createReleaser({ ledger, blobs, keyOf, clock, settleMs, isWhole });
  const acquirer = createAcquirer({ ledger, blobs, keyOf, clock, graceMs, isWhole });
  const incoming = createIncoming(createFetcher({ blobs, keyOf, cacheBytes, store: inner.name }));
  const outgoing = createOutgoing({
    thresholdBytes,
    searchableBytes: search ? searchableBytes : 0,
    maxEntryBytes: capabilities.maxEntryBytes,
    store: inner.name,
    below: inner.capabilities,
  });
  const commit = createCommit({ store: inner, acquirer, outgoing, clock, graceMs });

  /** Deletes what a session that is gone held. */
  async function releaseOf(sessionId: string, lifeMs: number | undefined): Promise<number> {
    const gone: SessionRecord[] = [];
    for await (const page of ledger.references({ userId: sessionId }))
      gone.push(...page.filter((reference) => holdingOf(reference).life === lifeMs));
    // A removal that failed half-way is repeated.
    if (lifeMs === undefined)
      for await (const page of ledger.references({ userId: sessionId, status: "deleted" }))
        gone.push(...page);
    return gone.length === 0 ? 0 : (await releaser.release(gone)).blobs;
  }

  async function refreshed(
    outcomes: readonly CommitOutcome[],
    commits: readonly Commit[],
  ): Promise<CommitOutcome[]> {
    const records = await inner.find(commits.map(({ sessionId }) => sessionId));
    return outcomes.map((outcome, index) => {
      if (outcome.status !== "conflict") return outcome;
      const current = records[index];
      return { status: "conflict", ...(current && { current }) };
    });
  }

  return {
    methods: {
      capabilities,

      async commit(commits) {
        const found = await commit(commits);
        if (!found.some(currentOf)) return found;
        let isAgain = false;
        // The session of a conflict may go while its record is made whole: then it is looked for once more.
        const load = async (): Promise<CommitOutcome[]> => {
          const outcomes = isAgain ? await refreshed(found, commits) : found;
          isAgain = true;
          return outcomes;
        };
        return incoming.records(load, (outcomes) => ({
          records: outcomes.flatMap((outcome) => currentOf(outcome) ?? []),
          with: (whole) =>
            outcomes.map((outcome) => {
              const current = currentOf(outcome);
              const record = current && whole.get(current);
              return record ? { status: "conflict", current: record } : outcome;
            }),
        }));
      },

      find: (ids) =>
        incoming.records(
          () => inner.find(ids),
          (found) => ({
            records: found.flatMap((record) => record ?? []),
            with: (whole) => found.map((record) => record && (whole.get(record) ?? record)),
          }),
        ),

      read: (id, range) => incoming.entries(id, () => inner.read(id, range)),

      list: (query) =>
        incoming.records(
          () => inner.list(query),
          (page) => ({
            records: page.items,
            with: (whole) => ({ ...page, items: page.items.map((record) => whole.get(record) ?? record) }),
          }),
        ),

      ...(search && {
        search: (text, query) =>
          incoming.records(
            () => search.call(inner, text, query),
            (page) => ({
              records: page.items.map(({ record }) => record),
              with: (whole) => ({
                ...page,
                items: page.items.map((hit) => ({ ...hit, record: whole.get(hit.record) ?? hit.record })),
              }),
            }),
          ),
      }),

      ...(watch && {
        async *watch(id, after, signal) {
          for await (const entry of watch.call(inner, id, after, signal)) {
            const { seq } = entry;
            let given = [entry];
            const [whole] = await incoming.entries(id, async () => {
              const loaded = given;
              given = loaded.length > 0 ? [] : await inner.read(id, { after: seq - 1, upTo: seq, limit: 1 });
              return loaded.length > 0 ? loaded : given;
            });
            // Its session went while it was read.
            if (!whole) return;
            yield whole;
          }
        },
      }),

      async remove(id, note) {
        const [record] = await inner.find([id]);
        const isRemoved = await inner.remove(id, note);
        // The session goes first: a crash in between leaves only what a collection finds.
        const count = await releaseOf(id, record?.createdAt);
        if (count > 0) note?.({ what: "blobs", count, place: `${blobs.name} blobs` });
        return isRemoved;
      },

      ...(sweep && {
        async sweep(nowMs, limit) {
          const query = { expiredAt: nowMs, order: "updated", limit: SWEEP_PAGE } as const;
          const { items } = await inner.list(query);
          const swept = await sweep.call(inner, nowMs, limit);
          const lives = new Map(items.map(({ id, createdAt }) => [id, createdAt]));
          // Of one that was not listed, and of what the engine lets expire by itself, a collection finds the blobs.
          for (const id of swept) if (lives.has(id)) await releaseOf(id, lives.get(id));
          return swept;
        },
      }),

      async close() {
        await inner.close();
        await blobs.close?.();
      },
    },

    collect: (collectOptions) =>
      collectFrom(
        { store: inner, ledger, releaser, blobs, clock, graceMs, isWhole, refersTo },
        collectOptions,
      ),
  };
}

function capabilitiesOf(below: StoreCapabilities, { durability }: BlobStore): StoreCapabilities {
  return {
    ...below,
    // What refers to a blob is worth no more than the blob.
    durability: DURABILITIES.find((one) => one === below.durability || one === durability) ?? "process",
    writers: durability === "process" ? "one-process" : below.writers,
    maxEntryBytes: Math.max(below.maxEntryBytes, MAX_ENTRY_BYTES),
  };
}

/**
 * Where the blobs of a namespace are, apart from those of all others: letters of its name, for people, and a hash, because
 * two names may have the same letters, or differ in upper and lower case only.
 */
function prefixOf(namespace: string): string {
  const letters = namespace
    .toLowerCase()
    .replace(/%[0-9a-f]{2}|[^a-z0-9]+/g, "-")
    .slice(0, 40);
  const hash = createHash("sha256").update(namespace).digest("hex").slice(0, 16);
  return `${letters || "root"}-${hash}`;
}

function refersTo(value: unknown, { hash, copy }: Pick<Holding, "hash" | "copy">): boolean {
  let isFound = false;
  putBack(value, (reference) => {
    isFound ||= reference.hash === hash && reference.copy === copy;
  });
  return isFound;
}

function currentOf(outcome: CommitOutcome): SessionRecord | undefined {
  return outcome.status === "conflict" ? outcome.current : undefined;
}
