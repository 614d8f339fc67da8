/**
 * @module
 * What keeps the watches of a store informed while there are any: a connection that listens, opened again when it is
 * lost, and looks at all sessions that are watched.
 *
 * A notification only makes a watch read sooner. Nothing depends on it: a look finds what was missed because a connection
 * was lost, a writer ended between its commit and its notification, or a pooler swallows notifications.
 */
import { randomBytes } from "node:crypto";
import { HoldfastError } from "../../log/errors.ts";
import { aliased } from "../sql/columns.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { aborted, LOOK_MS, pause, persist } from "../wait.ts";
import { CHANNEL, CHECK_MS, NOW_MS, WATCHED_UNTIL } from "./announce.ts";
import type { Connection } from "./connection.ts";
import { codeOf, NAME, toHoldfastError } from "./errors.ts";
import type { Listener } from "./listen.ts";
import { arrayText } from "./values.ts";

/** How often sessions are looked at while it is certain that notifications come. */
const CERTAIN_LOOK_MS = 2000;
/** How often writers are told that somebody watches, for how long they believe it, and when that must have been heard. */
const PRESENCE_MS = 20_000;
const BELIEVED_MS = 60_000;
const ECHO_MS = 5000;
const MAX_PAUSE_MS = 5000;
/** How long a connection may take to say goodbye. */
const GOODBYE_MS = 1000;

const { number, text } = rowReader(NAME);

export interface Watched {
  /** The keys of the sessions that are watched. */
  keys(): readonly string[];
  /** The newest positions of those that are there. */
  looked(heads: ReadonlyMap<string, number>): void;
  /** What was notified. */
  heard(payload: string): void;
  /** Something may have been missed. */
  resumed(): void;
}

/**
 * Informs `watched` until `signal` aborts, and gives the connection back.
 *
 * @throws STORE_UNAVAILABLE where the database stays out of reach, or refuses to be listened to.
 */
export async function lookOut(
  connection: Connection,
  { sessions, meta, columns }: Tables,
  listener: Listener,
  watched: Watched,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const over = AbortSignal.any([signal, failed.signal]);
  let isCertain = false;

  const s = aliased("s", columns.sessions);
  const headsOf = `SELECT ${s.key}::text AS key, ${s.seq} AS seq FROM ${sessions} AS s WHERE ${s.key} = ANY ($1::text::bigint[])`;
  const presence = `WITH here AS (INSERT INTO ${meta} AS m (key, value) VALUES ('${WATCHED_UNTIL}', (${NOW_MS} + ${BELIEVED_MS})::bigint::text) ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING m.key) SELECT pg_notify(${CHANNEL}, $2::text) IS NULL AS told FROM here`;

  const look = async (): Promise<void> => {
    const keys = watched.keys();
    if (keys.length === 0) return;
    const rows = await connection.query(headsOf, [arrayText(keys)]);
    watched.looked(new Map(rows.map((row) => [text(row, "key"), number(row, "seq")])));
  };

  const keepLooking = async (): Promise<void> => {
    while (!over.aborted) {
      await pause(isCertain ? CERTAIN_LOOK_MS : LOOK_MS, over);
      if (!over.aborted) await persist(look, over);
    }
  };

  /** Listens on one connection until it is lost. Whether it ever was certain that notifications come. */
  const listenOnce = async (channel: string): Promise<boolean | "never"> => {
    const gone = new AbortController();
    const lost = AbortSignal.any([over, gone.signal]);
    let echo = new AbortController();
    let token = "";
    const listening = listener.listen(channel, {
      heard(payload) {
        if (payload === token) echo.abort();
        else watched.heard(payload);
      },
      resumed: watched.resumed,
      lost: () => gone.abort(),
    });
    await Promise.race([listening, aborted(lost)]);
    if (over.aborted) {
      // It may take its time to connect, so nobody waits for it.
      listening.then(goodbye, () => undefined);
      return false;
    }
    const stop = await listening;
    if (stop === undefined) return "never";
    try {
      watched.resumed();
      const begun = performance.now();
      for (;;) {
        token = `?${randomBytes(9).toString("base64url")}`;
        echo = new AbortController();
        await connection.query(presence, [meta, token]);
        await pause(ECHO_MS, AbortSignal.any([lost, echo.signal]));
        if (lost.aborted || !echo.signal.aborted) return isCertain;
        // By then every writer has seen that somebody watches.
        await pause(begun + 2 * CHECK_MS - performance.now(), lost);
        if (lost.aborted) return isCertain;
        isCertain = true;
        await pause(PRESENCE_MS, lost);
        if (lost.aborted) return true;
      }
    } finally {
      isCertain = false;
      await goodbye(stop);
    }
  };

  const keepListening = async (): Promise<void> => {
    const [row] = (await persist(() => connection.query(`SELECT ${CHANNEL} AS channel`, [meta]), over)) ?? [];
    if (row === undefined) return;
    for (let attempt = 1; !over.aborted; attempt += 1) {
      try {
        const wasCertain = await listenOnce(text(row, "channel"));
        if (wasCertain === "never") return;
        if (wasCertain) attempt = 1;
      } catch (error) {
        if (isReadOnly(error)) return;
        const known = toHoldfastError(error, listener.secrets);
        if (!known.retryable) throw known;
      }
      await pause(Math.min(MAX_PAUSE_MS, 100 * 2 ** attempt), over);
    }
  };

  const fail = (error: unknown): never => {
    failed.abort();
    throw error;
  };
  await Promise.all([keepLooking().catch(fail), keepListening().catch(fail)]);
}

async function goodbye(stop: (() => Promise<void>) | undefined): Promise<void> {
  if (stop === undefined) return;
  // A connection that was lost can't be closed in order any more.
  const stopped = stop().catch(() => undefined);
  const waiting = new AbortController();
  await Promise.race([stopped, pause(GOODBYE_MS, waiting.signal)]);
  waiting.abort();
}

/** Whether it can't be told that somebody watches: on a standby, or as a user that only reads. Then looks are enough. */
function isReadOnly(error: unknown): boolean {
  const found = HoldfastError.is(error) ? error.cause : error;
  return ["25006", "42501"].includes(codeOf(found) ?? "");
}
