/**
 * @module
 * Telling whoever watches that sessions changed, by NOTIFY, without slowing commits.
 *
 * A transaction that notifies takes a lock that all others which notify wait for, in every database of the server, until
 * it is committed; with a commit's writes in it that lasts as long as its flush to disk, and commits no longer share one.
 * So it is a statement of its own that writes nothing: sent after the commit, not waited for, for all sessions that
 * changed meanwhile at once, and only while somebody watches. What a crash keeps from being told is found by those who
 * watch, who look by themselves too; see `watch.ts`.
 *
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/commands/async.c (PreCommit_Notify)
 */
import { createHash } from "node:crypto";
import type { Tables } from "../sql/tables.ts";
import { pause } from "../wait.ts";
import type { Connection } from "./connection.ts";
import { storedText } from "./values.ts";

/** How often it is told while somebody watches, and how often it is seen whether somebody does. */
const TELL_MS = 20;
export const CHECK_MS = 1000;
/** A payload takes 8,000 bytes. Where more sessions changed, everybody looks. */
const MAX_MARKS = 400;
export const EVERYTHING = "*";

/** How long closing waits for it. */
const LAST_MS = 1000;
const MARK_LENGTH = 16;

/** What a session is called on the channel, where any user of the database can listen: no name is in it. */
export function markOf(namespace: string, id: string): string {
  const path = JSON.stringify([namespace, storedText(id)]);
  return createHash("sha256").update(path).digest("base64url").slice(0, MARK_LENGTH);
}

/** The channel of a store: one for all who have these tables, whatever they call them. */
export const CHANNEL = "'holdfast_' || to_regclass($1::text)::oid::text";

/** What is in the meta table while somebody watches: the server's time, in epoch milliseconds, until when. */
export const WATCHED_UNTIL = "watched_until";
export const NOW_MS = "extract(epoch FROM clock_timestamp())::double precision * 1000";

export interface Announcer {
  announce(marks: readonly string[]): void;
  /** Resolves once what is left was told. */
  close(): Promise<void>;
}

export function createAnnouncer(connection: Connection, { meta }: Tables): Announcer {
  const tell = `SELECT pg_notify(${CHANNEL}, $2::text) IS NULL AS told FROM ${meta} WHERE key = '${WATCHED_UNTIL}' AND value::double precision > ${NOW_MS}`;
  let marks = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let telling: Promise<void> | undefined;
  let mayTellAt = 0;

  const send = async (): Promise<void> => {
    const payload = marks.size > MAX_MARKS ? EVERYTHING : [...marks].join(",");
    marks = new Set();
    // Where it fails, the commit took place all the same, and those who watch look by themselves.
    const isWatched = await connection.query(tell, [meta, payload]).then(
      (rows) => rows.length > 0,
      () => false,
    );
    mayTellAt = performance.now() + (isWatched ? TELL_MS : CHECK_MS);
  };
  const schedule = (): void => {
    if (timer !== undefined || telling !== undefined || marks.size === 0) return;
    timer = setTimeout(flush, Math.max(0, mayTellAt - performance.now()));
    timer.unref();
  };
  const flush = (): void => {
    timer = undefined;
    telling = send().finally(() => {
      telling = undefined;
      schedule();
    });
  };

  return {
    announce(changed) {
      for (const mark of changed) if (marks.size <= MAX_MARKS) marks.add(mark);
      schedule();
    },
    async close() {
      clearTimeout(timer);
      await telling;
      clearTimeout(timer);
      if (marks.size === 0) return;
      const waiting = new AbortController();
      await Promise.race([send(), pause(LAST_MS, waiting.signal)]);
      waiting.abort();
    },
  };
}
