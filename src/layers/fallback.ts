/**
 * A store that goes on without its engine. While the primary can't be reached, sessions that were used here go on from a local
 * replica, new ones can be created, and what is committed is kept in a journal; once the primary is back it gets all of it,
 * in order, once.
 *
 * **What an outage is.** STORE_UNAVAILABLE that may pass by itself (`retryable`), or no answer within `timeoutMs`. A conflict, bad
 * input, ENTRY_TOO_LARGE, STORE_CORRUPT, MIGRATION_REQUIRED and a closed store are none. A circuit breaker decides whether the
 * primary is asked; only a probe (`ping`) finds out that it is back, so no call waits for that.
 *
 * **What the replica holds.** Each session that was committed to or looked up here (up to 16 ids a call), whole, with those that it
 * inherits from, unless its own log is longer than `maxEntries`. It is written beside the calls: an append never waits for it, and
 * costs one more commit to the local store. So it lags by what was acknowledged in the last moments. This process knows how far it
 * must be, and refuses (STORE_UNAVAILABLE) to go on from an older state; one that was killed in such a moment, and is started
 * again during the outage, goes on from the older state, and what that lacks is in the primary, in front of what follows.
 *
 * **What is owed.** Before the first commit of a session goes to its replica instead of the primary, the journal says where both
 * part. Such a session is served from here until it is replayed, also when the primary is back, and after a restart before
 * anything else touches it. The healthy path's commits of a session and these take turns, so one whose fate is unknown is decided
 * before the next.
 *
 * **A commit whose fate is unknown** is journaled too. Its first entry carries the commit's id: the replay finds it in the
 * primary's log past the common point, or commits it there under compare-and-set, so a late arrival of the first attempt loses.
 * The same makes a replay that was cut off, or repeated, go on where it was, with nothing else kept.
 *
 * **Another node wrote too.** Then what was written here goes behind it: entries get new positions, the record is folded
 * anew, an entry whose caller's id is there with the same content is taken as there, and with other content is kept under another id.
 * Where an entry says something about all before it, or changed what the other node changed (see `rebase.ts`), or the session
 * was deleted or created anew elsewhere, all that was written here since becomes a session of kind `"fork"`, and
 * `onDiverged` is told. What layers above bound to its place or its session is moved through them (see `sight.ts`). Versions go on growing: where a session has fewer commits than it had here, `x.holdfast.replayed`
 * entries fill up.
 *
 * **What is refused during an outage**, with STORE_UNAVAILABLE: a session that the replica does not hold (never "not found"),
 * `list` and `search` (unless `lists: "partial"`), `sweep`, `remove` and deletion of a session that the primary knows, since its
 * heirs are not known here, and forks past the common point, since positions may change. `watch` ends, and begun again
 * follows the replica.
 *
 * **Who may share a journal.** One process at a time; another is refused. Several processes, on one machine or on many, are
 * nodes with a journal each. One that is left can be given to any later process, which replays it.
 *
 * **Removal** while the primary is well takes away the replica as well, and is told so. A replica of another node goes when that
 * one next looks the session up.
 *
 * @module holdfast/fallback
 * @example
 * ```ts
 * import { createSessions, memoryStore } from "holdfast";
 * import { fallbackStore } from "holdfast/fallback";
 * import { sqliteStore } from "holdfast/sqlite";
 *
 * const primary = memoryStore(); // postgresStore({ pool }), redisStore({ client }), …
 * const store = fallbackStore(primary, {
 *   journal: sqliteStore({ path: "./journal.db" }),
 *   onFallback: ({ cause }) => console.warn("going on without the primary", cause),
 * });
 * const sessions = createSessions({ store });
 * ```
 * @see https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
 */
import type { SessionStore } from "../store/store.ts";
import type { Core } from "./fallback/core.ts";
import { createCore } from "./fallback/core.ts";
import type { FallbackOptions } from "./fallback/options.ts";
import { settingOf } from "./fallback/options.ts";
import { fallbackView } from "./fallback/view.ts";
import { layerOver } from "./layer.ts";

export type { Divergence } from "./fallback/diverge.ts";
export type { Outage, Recovery } from "./fallback/health.ts";
export type { FallbackFailure, FallbackOptions } from "./fallback/options.ts";

export interface FallbackStore extends SessionStore {
  /** Whether an outage is being bridged: from its first failure until all that was written meanwhile is in the primary. */
  isDegraded(): boolean;
  /**
   * Asks the primary now, and replays what is owed. Resolves once all is done, at once where nothing is.
   *
   * @throws STORE_UNAVAILABLE where the primary is still out of reach, or does not take all of it; that stays in the journal
   */
  recover(): Promise<void>;
  metrics(): FallbackMetrics;
}

/** Of this process, since it began. */
export interface FallbackMetrics {
  readonly isDegraded: boolean;
  readonly outages: number;
  readonly degradedMs: number;
  /** Sessions with commits that the primary has yet to get. */
  readonly owed: number;
  /** Commits that were acknowledged from the journal. */
  readonly journaled: number;
  /** Commits that the primary got from it. Fewer where it had them already, or where a fork was made. */
  readonly replayed: number;
  /** Sessions whose commits went behind what another node had written. */
  readonly rebased: number;
  /** Sessions of which a fork was made. */
  readonly diverged: number;
  /** Sessions that were copied into the replica, whole or in part. */
  readonly copied: number;
  /** Those that were not, since their logs are too long or too many were to be copied at once. */
  readonly skipped: number;
}

/**
 * `primary`, bridged by `journal` while it can't be reached. An acknowledged commit is in one of them, and survives what the
 * weaker of the two survives (`capabilities.durability`).
 *
 * @throws INVALID_ARGUMENT for options that make no sense, a journal that could lose what it is given (a native expiry, lists
 *   that lag), or a layer that must be around this one. Calls reject as the primary's do; with STORE_UNAVAILABLE, not retryable,
 *   where another process holds the journal.
 * @example
 * ```ts
 * import { memoryStore } from "holdfast";
 * import { fallbackStore } from "holdfast/fallback";
 *
 * const store = fallbackStore(memoryStore(), { journal: memoryStore(), probeEveryMs: 500 });
 * store.onHealth?.(({ state }) => console.log(state)); // "degraded", "recovered"
 * console.log(store.metrics().owed); // 0
 * ```
 */
export function fallbackStore(primary: SessionStore, options: FallbackOptions): FallbackStore {
  const setting = settingOf(primary, options);
  let shared: Core | undefined;
  const core = (): Core => {
    shared ??= createCore(primary, setting);
    return shared;
  };
  // The order of layers is checked before anything is made.
  const store = layerOver("fallback", primary, (below) => fallbackView(core(), below), options.journal);
  const { health, counts, journal, open } = core();
  return Object.assign(store, {
    isDegraded: () => health.isDegraded,
    async recover() {
      await open();
      await health.recover();
    },
    metrics: () => ({
      isDegraded: health.isDegraded,
      outages: health.outages,
      degradedMs: health.degradedMs,
      owed: journal.debts.size,
      ...counts,
    }),
  });
}
