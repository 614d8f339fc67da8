/**
 * @module
 * What all namespaces of one fallback share: the breaker, the journal, the state, and the recovery.
 */
import { checkSize, encodeData } from "../../store/codec.ts";
import type { Commit, SessionStore, StoreCapabilities } from "../../store/store.ts";
import type { Divergence } from "./diverge.ts";
import type { Gate } from "./gate.ts";
import { createGate } from "./gate.ts";
import type { Health } from "./health.ts";
import { createHealth } from "./health.ts";
import type { Debt, Journal } from "./journal.ts";
import { createJournal, keyOf, namespaceAt } from "./journal.ts";
import type { Lanes } from "./lanes.ts";
import { createLanes } from "./lanes.ts";
import type { Mirror } from "./mirror.ts";
import { createMirror } from "./mirror.ts";
import type { FallbackSetting } from "./options.ts";
import { capabilitiesOf } from "./options.ts";
import { closedError } from "./outage.ts";
import type { Calls, Sights } from "./sight.ts";
import { createSights, LAST_RANK, RANKS, rankOf, replayDebt } from "./sight.ts";

/** One namespace. */
export interface Space {
  readonly namespace: string;
  /** The primary. */
  readonly below: SessionStore;
  readonly replica: SessionStore;
  readonly mirror: Mirror;
}

export interface Counts {
  journaled: number;
  replayed: number;
  rebased: number;
  diverged: number;
  copied: number;
  skipped: number;
}

export interface Core {
  readonly gate: Gate;
  readonly journal: Journal;
  readonly journalName: string;
  readonly lanes: Lanes;
  readonly health: Health;
  /** How the layers above see what is kept here. */
  readonly sights: Sights;
  readonly counts: Counts;
  readonly capabilities: StoreCapabilities;
  readonly isPartial: boolean;
  readonly isOutage: (error: unknown) => boolean;
  spaceOf(below: SessionStore): Space;
  /** Once the journal is open. @throws STORE_UNAVAILABLE where it can't be, or all is closed */
  open(): Promise<void>;
  ask: Gate["ask"];
  /** The primary could not be reached. */
  met(error: unknown): void;
  /** Whether the journal takes less than the primary does, so that this must be checked here. */
  readonly isSmaller: boolean;
  /** @throws ENTRY_TOO_LARGE where the primary or the journal would not take an entry */
  checkSizes(commits: readonly Commit[]): void;

  readonly close: () => Promise<void>;
}

/** Sessions that are replayed at a time. */
const AT_ONCE = 8;

export function createCore(primary: SessionStore, setting: FallbackSetting): Core {
  const { timeoutMs, failures, isOutage, onError, onDiverged } = setting;
  const { name } = primary;
  const rootPath = primary.namespaceName ?? "";
  const journal = createJournal(setting.journal, setting.takeOver);
  const gate = createGate({ store: name, timeoutMs, failures, isOutage });
  const lanes = createLanes();
  const sights = createSights(primary);
  const counts: Counts = { journaled: 0, replayed: 0, rebased: 0, diverged: 0, copied: 0, skipped: 0 };
  const spaces = new Map<string, Space>();
  const capabilities = capabilitiesOf(primary.capabilities, setting);
  const isSmaller = capabilities.maxEntryBytes < primary.capabilities.maxEntryBytes;
  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  function spaceOf(below: SessionStore): Space {
    const { namespaceName: namespace = "" } = below;
    const known = spaces.get(namespace);
    if (known) return known;
    const replica = journal.replicaOf(namespace);
    const mirror = createMirror({
      primary: askedFor(below),
      replica,
      isOwed: (id) => journal.debts.has(keyOf(namespace, id)),
      mayDrop: () => journal.debts.size === 0,
      maxQueued: setting.maxQueued,
      maxEntries: setting.maxEntries,
      counts,
      onError(error, sessionId) {
        if (closing) return;
        if (isOutage(error)) met(error);
        else onError({ operation: "copy", error, ...(sessionId !== undefined && { sessionId }) });
      },
    });
    const space: Space = { namespace, below, replica, mirror };
    spaces.set(namespace, space);
    return space;
  }

  /** The namespace that a debt is in, which nobody may have asked for yet. */
  function spaceAt(namespace: string): Space {
    const path = rootPath === "" ? namespace : namespace.slice(rootPath.length + 1);
    return spaces.get(namespace) ?? spaceOf(namespaceAt(primary, path));
  }

  function met(error: unknown): void {
    if (!closing) health.degrade(error);
  }

  /** A namespace of the primary, through the breaker. */
  function askedFor(below: SessionStore): Calls {
    return {
      commit: (commits) => gate.ask(() => below.commit(commits)),
      find: (ids) => gate.ask(() => below.find(ids)),
      list: (query) => gate.ask(() => below.list(query)),
      read: (id, range) => gate.ask(() => below.read(id, range)),
      remove: (id) => gate.ask(() => below.remove(id)),
    };
  }

  async function replay(debt: Debt): Promise<void> {
    const { namespace, sessionId } = debt;
    const { replica, mirror } = spaceAt(namespace);
    const done = await replayDebt({
      debt,
      name,
      see: sights.of(namespace),
      there: (path) => askedFor(spaceAt(path).below),
      here: journal.replicaOf,
      nowMs: setting.clock,
    });
    counts.replayed += done.commits;
    if (done.outcome === "rebased") counts.rebased += 1;
    if (done.divergence) {
      counts.diverged += 1;
      tell(done.divergence);
    }
    await journal.settle(debt, done.outcome !== "replayed");
    if (done.outcome !== "replayed") return mirror.want(sessionId);
    const [record] = await replica.find([sessionId]);
    if (record) mirror.holds(record);
  }

  function tell(divergence: Divergence): void {
    try {
      onDiverged?.(divergence);
    } catch (error) {
      onError({ operation: "onDiverged", error, sessionId: divergence.sessionId });
    }
  }

  async function attempt(): Promise<boolean> {
    try {
      await gate.probe(() => primary.ping());
    } catch (error) {
      if (!isOutage(error)) onError({ operation: "probe", error });
      return false;
    }
    for (const rank of RANKS) {
      const owed = [...journal.debts].filter(([, debt]) => rankOf(debt) === rank);
      // Not before all are there that these are about.
      if (rank === LAST_RANK && journal.debts.size > owed.length) break;
      await replayAll(owed);
    }
    if (!gate.isAsking || journal.debts.size > 0) return false;
    for (const { mirror } of spaces.values()) mirror.settled();
    return true;
  }

  async function replayAll(owed: readonly (readonly [string, Debt])[]): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < owed.length && gate.isAsking && !closing) {
        const [key, debt] = owed[next] ?? [];
        next += 1;
        if (key === undefined || !debt) continue;
        try {
          await lanes([key], async () => {
            if (journal.debts.has(key)) await replay(debt);
          });
        } catch (error) {
          if (isOutage(error)) continue;
          onError({ operation: "replay", error, sessionId: debt.sessionId });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  const health = createHealth({
    store: name,
    probeEveryMs: setting.probeEveryMs,
    attempt,
    cause: () => gate.cause,
    totals: () => ({ replayed: counts.replayed, rebased: counts.rebased, diverged: counts.diverged }),
    onFallback: setting.onFallback,
    onRecover: setting.onRecover,
  });

  async function open(): Promise<void> {
    await journal.open();
    if (journal.debts.size > 0) health.degrade(leftBehind(journal.debts.size));
  }

  async function close(): Promise<void> {
    await health.stop();
    for (const { mirror } of spaces.values()) await mirror.flush();
    try {
      await opening?.catch(() => undefined);
      await journal.close();
    } finally {
      await primary.close();
    }
  }

  return {
    gate,
    journal,
    journalName: setting.journal.name,
    lanes,
    health,
    sights,
    counts,
    capabilities,
    isPartial: setting.lists === "partial",
    isOutage,
    spaceOf,
    async open() {
      if (closing) throw closedError(name);
      opening ??= open();
      try {
        await opening;
      } catch (error) {
        opening = undefined;
        throw error;
      }
    },
    ask: gate.ask,
    met,
    isSmaller,
    checkSizes(commits) {
      for (const { sessionId, entries } of commits)
        for (const entry of entries) checkSize(encodeData(entry), sessionId, name, capabilities);
    },
    close() {
      closing ??= Promise.resolve().then(close);
      return closing;
    },
  };
}

function leftBehind(sessions: number): Error {
  return new Error(`an earlier process left ${sessions} sessions in the journal that are not replayed yet`);
}
