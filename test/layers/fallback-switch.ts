/**
 * @module
 * A real store whose calls fail when they are told to, as they do where its server is out of reach.
 */
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionStore } from "../../src/store/store.ts";

export interface Switch {
  isDown: boolean;
  /** The calls from this one on fail, once it took place where `isLate`: the first is 1. */
  failAt: number;
  isLate: boolean;
  calls: number;
  /** Calls wait for so long before they take place. */
  slowMs: number;
}

export function unreachable(): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", "the connection was lost; try again", { store: "memory" });
}

/** `store` behind a switch, with its namespaces. */
export function switched(store: SessionStore): { store: SessionStore; line: Switch } {
  const line: Switch = {
    isDown: false,
    failAt: Number.POSITIVE_INFINITY,
    isLate: false,
    calls: 0,
    slowMs: 0,
  };
  const through = async <T>(work: () => Promise<T>): Promise<T> => {
    line.calls += 1;
    if (line.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, line.slowMs));
    const fails = line.isDown || line.calls >= line.failAt;
    if (fails && !(line.isLate && line.calls === line.failAt)) throw unreachable();
    const answer = await work();
    if (fails) throw unreachable();
    return answer;
  };
  const views = new Map<string, SessionStore>();
  const view = (inner: SessionStore): SessionStore => {
    const { namespaceName = "", search, sweep } = inner;
    const made: SessionStore = views.get(namespaceName) ?? {
      name: inner.name,
      capabilities: inner.capabilities,
      namespaceName,
      commit: (commits) => through(() => inner.commit(commits)),
      find: (ids) => through(() => inner.find(ids)),
      read: (id, range) => through(() => inner.read(id, range)),
      list: (query) => through(() => inner.list(query)),
      remove: (id, note) => through(() => inner.remove(id, note)),
      migrate: () => through(() => inner.migrate()),
      namespace: (name) => (name === "" ? made : view(inner.namespace(name))),
      ping: () => through(() => inner.ping()),
      // What two nodes share stays when one of them goes.
      close: async () => undefined,
      ...(search && { search: (text, query) => through(() => search.call(inner, text, query)) }),
      ...(sweep && { sweep: (nowMs, limit) => through(() => sweep.call(inner, nowMs, limit)) }),
    };
    views.set(namespaceName, made);
    return made;
  };
  return { store: view(store), line };
}
