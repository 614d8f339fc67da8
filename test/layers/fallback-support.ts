/**
 * @module
 * Nodes: fallbacks over one primary, each behind a switch of its own and with a journal of its own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type {
  Divergence,
  FallbackOptions,
  FallbackStore,
  Outage,
  Recovery,
} from "../../src/layers/fallback.ts";
import { fallbackStore } from "../../src/layers/fallback.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { Switch } from "./fallback-switch.ts";
import { switched } from "./fallback-switch.ts";

export interface Node {
  readonly store: FallbackStore;
  readonly line: Switch;
  readonly outages: Outage[];
  readonly recoveries: Recovery[];
  readonly divergences: Divergence[];
  readonly errors: unknown[];
  readonly path: string;
  /** Ends it as a crash does, but for its files being closed, and starts another one over the same journal. */
  restart(more?: Partial<FallbackOptions>): Promise<Node>;
}

/** A node over `shared`, with a journal of its own on disk, each with the layers `around`. Probes are left to the test. */
export async function nodeOver(
  shared: SessionStore = memoryStore(),
  more: Partial<FallbackOptions> = {},
  path?: string,
  line?: Partial<Switch>,
  around: (store: SessionStore) => SessionStore = (store) => store,
): Promise<Node> {
  const folder = path ?? (await mkdtemp(join(tmpdir(), "holdfast-fallback-")));
  const primary = switched(shared);
  Object.assign(primary.line, line);
  const [outages, recoveries, divergences, errors] = [[], [], [], []] as [
    Outage[],
    Recovery[],
    Divergence[],
    unknown[],
  ];
  const store = fallbackStore(around(primary.store), {
    journal: around(sqliteStore({ path: join(folder, "journal.db"), durability: "normal" })),
    probeEveryMs: 3_600_000,
    onFallback: (outage) => outages.push(outage),
    onRecover: (recovery) => recoveries.push(recovery),
    onDiverged: (divergence) => divergences.push(divergence),
    onError: ({ error }) => errors.push(error),
    ...more,
  });
  const node: Node = {
    store,
    line: primary.line,
    outages,
    recoveries,
    divergences,
    errors,
    path: folder,
    async restart(again = {}) {
      await store.close();
      return nodeOver(
        shared,
        { ...more, ...again },
        folder,
        {
          isDown: primary.line.isDown,
        },
        around,
      );
    },
  };
  onTestFinished(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return node;
}

/** `store`, which says of one session that it is damaged. */
export function damaged(store: SessionStore): { store: SessionStore; fail(id: string | undefined): void } {
  let bad: string | undefined;
  return {
    store: {
      ...store,
      async commit(commits) {
        if (commits.some(({ sessionId }) => sessionId === bad))
          throw new HoldfastError("STORE_CORRUPT", "the log is damaged", { sessionId: bad });
        return store.commit(commits);
      },
    },
    fail(id) {
      bad = id;
    },
  };
}
