/**
 * @module
 * What a fallback can be told, with its defaults, and what a store with one can do.
 */
import { invalidArgument } from "../../log/errors.ts";
import type { SessionStore, StoreCapabilities } from "../../store/store.ts";
import { required } from "../layer.ts";
import type { Divergence } from "./diverge.ts";
import type { Outage, Recovery } from "./health.ts";
import { isOutage } from "./outage.ts";

export interface FallbackOptions {
  /**
   * Where replica and journal are kept: a store of this process alone, on its own disk (`sqliteStore`, `fileStore`), or in
   * memory where an outage need not outlive the process. `close()` closes it.
   */
  readonly journal: SessionStore;
  /** Told when an outage begins to be bridged. */
  readonly onFallback?: (outage: Outage) => void;
  /** Told when all that was written meanwhile is in the primary. */
  readonly onRecover?: (recovery: Recovery) => void;
  /** Told of each session of which a fork was made: at least once, after the fork is in the primary. */
  readonly onDiverged?: (divergence: Divergence) => void;
  /** Told what failed in the background. Default: `process.emitWarning`. */
  readonly onError?: (failure: FallbackFailure) => void;
  /** How often a primary that is out of reach is asked whether it is back. Default 1000; the first times sooner. */
  readonly probeEveryMs?: number;
  /** A call that the primary does not answer within this time is taken for an outage. Default 5000. */
  readonly timeoutMs?: number;
  /** So many calls must fail in a row before the primary is not asked any more. Each that fails is bridged. Default 1. */
  readonly failures?: number;
  /** Which errors are outages. Default: STORE_UNAVAILABLE that is retryable. */
  readonly isOutage?: (error: unknown) => boolean;
  /**
   * What `list` and `search` do during an outage: `"refuse"` with STORE_UNAVAILABLE, or answer with what the replica holds
   * (`"partial"`). Default `"refuse"`.
   */
  readonly lists?: "refuse" | "partial";
  /** Sessions with longer logs of their own are not copied into the replica. Default 20,000 entries. */
  readonly maxEntries?: number;
  /** Commits that wait for the replica at most. Default 10,000. */
  readonly maxQueued?: number;
  /** Takes a journal that a process on another machine holds, which is gone for good. Default `false`. */
  readonly takeOver?: boolean;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
}

export interface FallbackFailure {
  /** `copy`: into the replica. `replay`: from the journal, which keeps it. `probe`: the primary answers, but not well. */
  readonly operation: "copy" | "onDiverged" | "probe" | "replay";
  readonly sessionId?: string;
  readonly error: unknown;
}

type Optional = "onFallback" | "onRecover" | "onDiverged";
export type FallbackSetting = Required<Omit<FallbackOptions, Optional>> & {
  readonly [K in Optional]: FallbackOptions[K] | undefined;
};

const NEEDED = "a fallback needs a journal, for example sqliteStore({ path })";

/** @throws INVALID_ARGUMENT */
export function settingOf(primary: SessionStore, options: FallbackOptions): FallbackSetting {
  const { journal } = required(options, NEEDED);
  if (primary.namespaceName === undefined) {
    throw invalidArgument(
      `the ${primary.name} store does not say what namespace it is of (namespaceName), so its namespaces can't be told apart in the journal`,
    );
  }
  if (typeof journal?.commit !== "function") throw invalidArgument(NEEDED);
  if (journal === primary) throw invalidArgument("the journal must be another store than the primary");
  const { nativeTtl, listConsistency, idempotency } = journal.capabilities;
  if (nativeTtl || listConsistency !== "strong" || idempotency !== "full") {
    throw invalidArgument(
      `the ${journal.name} store can't be a journal, as it may drop or miss sessions by itself; use sqliteStore, fileStore or memoryStore`,
    );
  }
  return {
    journal,
    onFallback: options.onFallback,
    onRecover: options.onRecover,
    onDiverged: options.onDiverged,
    onError: options.onError ?? warn,
    probeEveryMs: positive(options.probeEveryMs ?? 1000, "probeEveryMs"),
    timeoutMs: positive(options.timeoutMs ?? 5000, "timeoutMs"),
    failures: positive(options.failures ?? 1, "failures"),
    isOutage: options.isOutage ?? isOutage,
    lists: options.lists ?? "refuse",
    maxEntries: positive(options.maxEntries ?? 20_000, "maxEntries"),
    maxQueued: positive(options.maxQueued ?? 10_000, "maxQueued"),
    takeOver: options.takeOver ?? false,
    clock: options.clock ?? Date.now,
  };
}

function positive(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalidArgument(`${name} must be a whole number above 0`);
}

const DURABILITY = ["process", "os", "disk", "replicated"] as const;

/** What holds in the worst case: an acknowledged commit is in the primary, or in the journal. */
export function capabilitiesOf(
  primary: StoreCapabilities,
  { journal, lists }: Pick<FallbackSetting, "journal" | "lists">,
): StoreCapabilities {
  const own = journal.capabilities;
  const rank = Math.min(DURABILITY.indexOf(primary.durability), DURABILITY.indexOf(own.durability));
  return {
    ...primary,
    durability: DURABILITY[rank] ?? "process",
    maxEntryBytes: Math.min(primary.maxEntryBytes, own.maxEntryBytes),
    listConsistency: lists === "partial" ? "eventual" : primary.listConsistency,
  };
}

function warn({ operation, sessionId, error }: FallbackFailure): void {
  const whose = sessionId === undefined ? "" : ` of session ${JSON.stringify(sessionId)}`;
  const message = error instanceof Error ? error.message : String(error);
  process.emitWarning(`fallback: ${operation}${whose} failed: ${message}`, { type: "HoldfastWarning" });
}
