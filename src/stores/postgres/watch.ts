/**
 * @module
 * Watching: one connection that listens wakes all watches of a store, and each reads what is new to it.
 */
import type { Entry } from "../../log/entry.ts";
import { aliased } from "../sql/columns.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { persist } from "../wait.ts";
import { EVERYTHING, markOf } from "./announce.ts";
import type { Connection } from "./connection.ts";
import { closedError } from "./connection.ts";
import { entryColumns, toEntry } from "./entries.ts";
import { NAME } from "./errors.ts";
import type { Listener } from "./listen.ts";
import { lookOut } from "./lookout.ts";
import { bigintText, storedText } from "./values.ts";

const PAGE = 200;

const { text } = rowReader(NAME);

export interface Watching {
  watch(namespace: string, id: string, after: number, signal: AbortSignal): AsyncGenerator<Entry>;
  /** Wakes who watches one of the sessions that are marked so. */
  wake(marks: readonly string[]): void;
  /** Ends all watches, and resolves once the connection that listened is given back. */
  close(): Promise<void>;
}

/** One watch. */
interface Watch {
  readonly mark: string;
  /** The session's; `undefined` until it was read. */
  key: string | undefined;
  position: number;
  ring(): void;
  fail(error: unknown): void;
}

export function createWatching(connection: Connection, tables: Tables, listener: Listener): Watching {
  const { sessions, entries } = tables;
  const s = aliased("s", tables.columns.sessions);
  const e = aliased("e", tables.columns.entries);
  const watches = new Set<Watch>();
  const marked = new Map<string, Set<Watch>>();
  const ending = new Set<Promise<void>>();
  let lookout: AbortController | undefined;
  let isClosed = false;

  // A session without new entries gives one row of nulls; none is given where it is gone.
  const readOn = `SELECT ${s.key}::text AS key, news.* FROM ${sessions} AS s LEFT JOIN LATERAL (SELECT ${entryColumns(e)} FROM ${entries} AS e WHERE ${e.session_key} = ${s.key} AND ${e.seq} > $4::text::bigint ORDER BY ${e.seq} LIMIT ${PAGE}) AS news ON true WHERE ${s.namespace} = $1::text AND ${s.id} = $2::text AND ${s.key} = COALESCE($3::text::bigint, ${s.key}) ORDER BY news.seq`;

  const wake = (marks: readonly string[]): void => {
    for (const mark of marks) for (const watch of marked.get(mark) ?? []) watch.ring();
  };
  const wakeAll = (): void => {
    for (const watch of watches) watch.ring();
  };

  const begin = (): void => {
    const abort = new AbortController();
    lookout = abort;
    const run = lookOut(
      connection,
      tables,
      listener,
      {
        keys: () => [...new Set([...watches].flatMap(({ key }) => key ?? []))],
        looked(heads) {
          for (const watch of watches) {
            const head = watch.key === undefined ? undefined : heads.get(watch.key);
            if (watch.key !== undefined && (head === undefined || head > watch.position)) watch.ring();
          }
        },
        heard: (payload) => (payload === EVERYTHING ? wakeAll() : wake(payload.split(","))),
        resumed: wakeAll,
      },
      abort.signal,
    ).catch((error: unknown) => {
      if (lookout === abort) lookout = undefined;
      for (const watch of watches) watch.fail(error);
    });
    ending.add(run);
    void run.finally(() => ending.delete(run));
  };

  const enter = (watch: Watch): void => {
    watches.add(watch);
    marked.set(watch.mark, (marked.get(watch.mark) ?? new Set()).add(watch));
    if (lookout === undefined) begin();
  };
  const leave = (watch: Watch): void => {
    watches.delete(watch);
    const others = marked.get(watch.mark);
    others?.delete(watch);
    if (others?.size === 0) marked.delete(watch.mark);
    if (watches.size > 0) return;
    lookout?.abort();
    lookout = undefined;
  };

  async function* watchSession(
    namespace: string,
    id: string,
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<Entry> {
    if (isClosed) throw closedError();
    if (signal.aborted) return;
    const bell = createBell();
    const failed = new AbortController();
    let failure: unknown;
    const watch: Watch = {
      mark: markOf(namespace, id),
      key: undefined,
      position: after,
      ring: bell.ring,
      fail(error) {
        failure = error;
        failed.abort();
        bell.ring();
      },
    };
    const over = AbortSignal.any([signal, failed.signal]);
    signal.addEventListener("abort", bell.ring);
    enter(watch);
    try {
      while (!over.aborted) {
        const place = [watch.key ?? null, bigintText(watch.position)];
        const rows = await persist(
          () => connection.query(readOn, [namespace, storedText(id), ...place]),
          over,
        );
        if (over.aborted) break;
        const [first] = rows ?? [];
        if (rows === undefined || first === undefined) return;
        watch.key = text(first, "key");
        const found = rows.flatMap((row) => (row.seq === null ? [] : [toEntry(row, id)]));
        for (const entry of found) {
          watch.position = entry.seq;
          yield entry;
          if (over.aborted) break;
        }
        if (found.length < PAGE) await bell.rung();
      }
      if (failed.signal.aborted && !signal.aborted) throw failure;
    } finally {
      signal.removeEventListener("abort", bell.ring);
      leave(watch);
    }
  }

  return {
    watch: watchSession,
    wake,
    async close() {
      isClosed = true;
      for (const watch of watches) watch.fail(closedError());
      lookout?.abort();
      await Promise.all(ending);
    },
  };
}

/** A wake-up that is kept where nobody waits for it. */
function createBell(): { ring(): void; rung(): Promise<void> } {
  let isRung = false;
  let resume: (() => void) | undefined;
  return {
    ring() {
      isRung = true;
      resume?.();
    },
    async rung() {
      if (!isRung) {
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
      }
      resume = undefined;
      isRung = false;
    },
  };
}
