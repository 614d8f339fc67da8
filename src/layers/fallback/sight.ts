/**
 * @module
 * The primary and the replica as the layers above the fallback see them.
 *
 * What such a layer wrote may be sealed for its place, or refer to what is kept for its session. So where that must get another
 * one, it is read through these layers and committed through them: sealed anew, and with large values of its own.
 */
import { HoldfastError } from "../../log/errors.ts";
import { namespaceName, namespacePath } from "../../store/namespace.ts";
import type { SessionStore } from "../../store/store.ts";
import type { Lens } from "../layer.ts";
import { INTERNAL } from "../layer.ts";
import type { Debt } from "./journal.ts";
import { isOfLayers, namespaceAt } from "./journal.ts";
import type { Replayed } from "./replay.ts";
import { replaySession } from "./replay.ts";

/** What is asked of a store in a namespace. */
export type Calls = Pick<SessionStore, "commit" | "find" | "list" | "read" | "remove">;
export type CallsAt = (namespace: string) => Calls;

export interface Sights {
  /** `layers` says how many `lens` looks through. */
  add(namespace: string, lens: Lens, layers: number): void;
  /** How a namespace of what `callsAt` leads to is seen; `undefined` where no layer above has to be asked. */
  of(namespace: string): ((callsAt: CallsAt) => SessionStore) | undefined;
}

export function createSights(primary: SessionStore): Sights {
  const lenses = new Map<string, { readonly lens: Lens; readonly layers: number }>();

  const standIn = (path: string, callsAt: CallsAt): SessionStore => {
    const calls = callsAt(path);
    return {
      name: primary.name,
      capabilities: primary.capabilities,
      // What is sealed is bound to the name that the namespace has in the primary, wherever it is kept.
      namespaceName: path,
      commit: (commits) => calls.commit(commits),
      find: (ids) => calls.find(ids),
      list: (query) => calls.list(query),
      read: (id, range) => calls.read(id, range),
      remove: (id) => calls.remove(id),
      namespace: (name) => standIn(within(path, name), callsAt),
      migrate: () => primary.migrate(),
      ping: () => primary.ping(),
      close: async () => undefined,
    };
  };

  return {
    add(namespace, lens, layers) {
      // Parts of a stack may be put around once more, for example to collect blobs.
      if (layers >= (lenses.get(namespace)?.layers ?? 0)) lenses.set(namespace, { lens, layers });
    },

    of(namespace) {
      for (let path = namespace; ; path = path.slice(0, Math.max(0, path.lastIndexOf("/")))) {
        const lens = lenses.get(path)?.lens;
        const rest = path === "" ? namespace : namespace.slice(path.length + 1);
        if (lens) return (callsAt) => namespaceAt(lens(standIn(path, callsAt)), rest);
        if (path === "") return undefined;
      }
    },
  };
}

export interface ReplayingDebt {
  readonly debt: Debt;
  readonly name: string;
  readonly see: ReturnType<Sights["of"]>;
  /** The primary. */
  readonly there: CallsAt;
  /** The replica. */
  readonly here: CallsAt;
  readonly nowMs: () => number;
}

/** Brings what is pending of one session to the primary: as it is, or through the layers above where it must be moved. */
export async function replayDebt(setting: ReplayingDebt): Promise<Replayed> {
  const { debt, name, see, there, here, nowMs } = setting;
  const { namespace } = debt;
  const primary = { ...there(namespace), name };
  const first = await replaySession({
    debt,
    primary,
    replica: here(namespace),
    isBelow: see !== undefined,
    nowMs,
  });
  if (first.outcome !== "bound" || !see) return first;
  const move = (replica: SessionStore): Promise<Replayed> =>
    replaySession({ debt, primary: see(there), replica, isBelow: false, nowMs });
  // What layers keep beside, keys above all, is the primary's to say: they may have been rotated meanwhile.
  const besides: CallsAt = (path) => (path !== namespace && isOfLayers(path) ? there(path) : here(path));
  const moved = await move(see(besides)).catch((error: unknown) => {
    if (!HoldfastError.is(error, "DECRYPTION_FAILED")) throw error;
    // Those of a session that was removed elsewhere are gone there, and those of a new one may be in the journal still.
    return move(see(here));
  });
  return { ...moved, commits: first.commits + moved.commits };
}

export const RANKS = [0, 1, 2];
export const LAST_RANK = 2;

/**
 * In which order debts are replayed: keys before what they open, and what says who holds a blob after those who do, since
 * one that is held by nobody may be taken back.
 */
export function rankOf({ namespace }: Debt): number {
  if (!isOfLayers(namespace)) return 1;
  return namespace.endsWith(`${INTERNAL}blobs`) ? 2 : 0;
}

function within(path: string, name: string): string {
  return namespaceName(namespacePath(path === "" ? "" : `${path}/`, name));
}
