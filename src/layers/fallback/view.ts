/**
 * @module
 * The layer in one namespace: who answers a call, the primary or what is kept beside it.
 *
 * A session that is owed to the primary is served from here until it is replayed, also when the primary is back. Any other
 * is the primary's to answer for, and is served from the replica only while that is out of reach.
 */
import type { Entry } from "../../log/entry.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { SessionStore } from "../../store/store.ts";
import type { LayerMethods, Moving } from "../layer.ts";
import type { Core } from "./core.ts";
import { keyOf } from "./journal.ts";
import { commitHere } from "./local.ts";
import { notHeld, refused } from "./outage.ts";

const POLL_MS = 200;

/** What the layer answers in the namespace of `below`. */
export function fallbackView(core: Core, below: SessionStore): LayerMethods & Moving {
  const space = core.spaceOf(below);
  const { gate, journal, lanes, health } = core;
  const { mirror, replica, namespace } = space;
  const keyed = (id: string): string => keyOf(namespace, id);
  const isOwed = (id: string): boolean => journal.debts.has(keyed(id));

  /** The record from here. @throws STORE_UNAVAILABLE where there is none that can be gone on from */
  async function held(id: string): Promise<SessionRecord> {
    const wasOwed = isOwed(id);
    if (!wasOwed) await mirror.flush();
    const [record] = await replica.find([id]);
    if (record && (wasOwed || !mirror.isOld(record))) return record;
    throw notHeld(below.name, id, record !== undefined, gate.cause);
  }

  /** What the primary answers, or what is known here of sessions that are owed, or where it can't be reached. */
  async function either<T>(
    ids: readonly string[],
    there: () => Promise<T>,
    here: () => Promise<T>,
  ): Promise<T> {
    await core.open();
    for (;;) {
      const owed = ids.filter(isOwed).length;
      if (owed === 0 && gate.isAsking) {
        try {
          return await core.ask(there);
        } catch (error) {
          if (!core.isOutage(error)) throw error;
          core.met(error);
        }
      }
      // What was replayed while we looked is the primary's to answer for.
      const isSettled = (): boolean => ids.filter(isOwed).length < owed;
      try {
        const answer = await here();
        if (!isSettled()) return answer;
      } catch (error) {
        if (!isSettled()) throw error;
      }
    }
  }

  async function readHere(id: string, range: Parameters<SessionStore["read"]>[1]): Promise<Entry[]> {
    await held(id);
    return replica.read(id, range);
  }

  /** What would leave out what only one side knows. */
  async function whole<T>(what: string, call: () => Promise<T>, here?: () => Promise<T>): Promise<T> {
    await core.open();
    if (!health.isDegraded) {
      try {
        return await core.ask(call);
      } catch (error) {
        if (!core.isOutage(error)) throw error;
        core.met(error);
      }
    }
    if (here) return here();
    throw refused(below.name, what, "the replica holds only what this process has used");
  }

  async function removeOne(id: string, note: Parameters<SessionStore["remove"]>[1]): Promise<boolean> {
    const debt = journal.debts.get(keyed(id));
    if (debt) {
      if (debt.base || debt.isSent)
        throw refused(below.name, "removing a session", "what inherits from it can't be known", id);
      const isFound = (await replica.find([id]))[0] !== undefined;
      await journal.settle(debt, true);
      note?.({ what: "journal", count: 1, place: core.journalName });
      return isFound;
    }
    if (!gate.isAsking)
      throw refused(below.name, "removing a session", "what inherits from it can't be known", id);
    try {
      const isFound = await core.ask(() => below.remove(id, note));
      if (await mirror.forget(id)) note?.({ what: "replica", count: 1, place: core.journalName });
      return isFound;
    } catch (error) {
      if (core.isOutage(error)) core.met(error);
      throw error;
    }
  }

  const { search, watch, sweep } = below;
  const own = replica.search;
  return {
    capabilities: core.capabilities,
    seenThrough: (lens, layers) => core.sights.add(namespace, lens, layers),

    async commit(commits) {
      await core.open();
      if (core.isSmaller) core.checkSizes(commits);
      return lanes(
        commits.map(({ sessionId }) => keyed(sessionId)),
        () => commitHere(core, space, commits),
      );
    },

    find: (ids) =>
      either(
        ids,
        async () => {
          const records = await below.find(ids);
          mirror.saw(ids, records);
          return records;
        },
        async () => {
          const others = ids.filter((id) => !isOwed(id));
          const owed = ids.filter(isOwed);
          const found = new Map<string, SessionRecord | undefined>();
          const records = await either(
            others,
            () => below.find(others),
            () => Promise.all(others.map(held)),
          );
          for (const [index, id] of others.entries()) found.set(id, records[index]);
          for (const id of owed) found.set(id, await held(id));
          return ids.map((id) => found.get(id));
        },
      ),

    read: (id, range) =>
      either(
        [id],
        () => below.read(id, range),
        () => readHere(id, range),
      ),

    list: (query) =>
      whole("a list", () => below.list(query), core.isPartial ? () => replica.list(query) : undefined),

    async remove(id, note) {
      await core.open();
      return lanes([keyed(id)], () => removeOne(id, note));
    },

    async migrate() {
      await core.open();
      return below.migrate();
    },

    async ping() {
      await core.open();
      await below.ping();
    },

    close: core.close,
    onHealth: health.onHealth,

    ...(search && {
      search: (text, query) =>
        whole(
          "a search",
          () => search.call(below, text, query),
          core.isPartial && own ? () => own.call(replica, text, query) : undefined,
        ),
    }),

    ...(sweep && {
      async sweep(nowMs, limit) {
        const ids = await whole("sweeping up", () => sweep.call(below, nowMs, limit));
        for (const id of ids) await mirror.forget(id);
        return ids;
      },
    }),

    ...(watch && {
      async *watch(id, after, signal) {
        await core.open();
        if (!isOwed(id) && gate.isAsking) {
          try {
            // It may end at any time; whoever watches comes again, and is then watching here.
            yield* watch.call(below, id, after, AbortSignal.any([signal, health.changed]));
          } catch (error) {
            if (!core.isOutage(error)) throw error;
            core.met(error);
          }
          return;
        }
        for (let position = after; !signal.aborted && (isOwed(id) || !gate.isAsking); ) {
          const entries = await readHere(id, { after: position, limit: POLL_PAGE });
          for (const entry of entries) {
            position = entry.seq;
            yield entry;
            if (signal.aborted) return;
          }
          if (entries.length < POLL_PAGE) await pause(AbortSignal.any([signal, health.changed]));
        }
      },
    }),
  };
}

const POLL_PAGE = 200;

/** Some time, or until `signal` aborts. */
async function pause(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, POLL_MS);
  const wake = (): void => resolve();
  signal.addEventListener("abort", wake, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", wake);
}
