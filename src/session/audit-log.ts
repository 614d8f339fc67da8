/**
 * @module
 * An audit trail in a store: a session for each day and writer, so that writers never wait for each other.
 */
import { HoldfastError } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import type { AuditEvent, AuditSink } from "./audit-event.ts";
import { createSessions } from "./sessions.ts";
import type { Session } from "./types.ts";

/** All conditions must hold. `since` and `until` are times in epoch milliseconds: from the one on, before the other. */
export interface AuditFilter extends Partial<Pick<AuditEvent, "actor" | "userId" | "sessionId" | "outcome">> {
  readonly since?: number;
  readonly until?: number;
}

/** A sink that keeps what it is told in a store, and reads it back. */
export interface AuditTrail extends AuditSink {
  /** Events of all writers by the time of their beginning, a day in memory at a time. */
  read(filter?: AuditFilter): AsyncIterable<AuditEvent>;
}

const AGENT = "holdfast-audit";
const DAY_MS = 86_400_000;

/**
 * Keeps events in sessions of `store`: appended, never changed. Give it a namespace of its own, or a store that the
 * program may only append to.
 *
 * @throws from the sink: as `append` does.
 */
export function auditTo(store: SessionStore): AuditTrail {
  const sessions = createSessions<AuditEvent>({ store, autoLabel: false });
  const writer = crypto.randomUUID();
  let current: { readonly day: string; readonly session: Promise<Session<AuditEvent>> } | undefined;

  function sessionOf(day: string): Promise<Session<AuditEvent>> {
    if (current?.day === day) return current.session;
    const session = sessions.getOrCreate(`audit ${day} ${writer}`, { agent: AGENT, metadata: { day } });
    const opened = { day, session };
    current = opened;
    // The next event tries again.
    session.catch(() => {
      if (current === opened) current = undefined;
    });
    return session;
  }

  const sink = async (event: AuditEvent): Promise<void> => {
    const session = await sessionOf(dayOf(event.at));
    try {
      await session.append(event);
    } catch (error) {
      // Somebody removed what was written today: the next event begins anew.
      if (HoldfastError.is(error, "SESSION_DELETED")) current = undefined;
      throw error;
    }
  };

  async function* read({ since, until, ...wanted }: AuditFilter = {}): AsyncGenerator<AuditEvent> {
    const days = new Map<string, string[]>();
    for await (const { id, metadata } of sessions.all({ agent: AGENT })) {
      const day = String(metadata["day"]);
      const isWithin =
        (since === undefined || day >= dayOf(since)) && (until === undefined || day <= dayOf(until));
      if (isWithin) days.set(day, [...(days.get(day) ?? []), id]);
    }
    for (const [, ids] of [...days].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const found: AuditEvent[] = [];
      for (const id of ids) {
        for await (const { message } of (await sessions.open(id)).stream()) {
          if ((since ?? -Infinity) <= message.at && message.at < (until ?? Infinity) && fits(message, wanted))
            found.push(message);
        }
      }
      yield* found.sort((a, b) => a.at - b.at);
    }
  }

  return Object.assign(sink, { read });
}

function dayOf(at: number): string {
  return new Date(Math.floor(at / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
}

function fits(event: AuditEvent, { sessionId, ...wanted }: AuditFilter): boolean {
  if (sessionId !== undefined && event.sessionId !== sessionId && !event.sessionIds?.includes(sessionId))
    return false;
  return (["actor", "userId", "outcome"] as const).every(
    (key) => wanted[key] === undefined || wanted[key] === event[key],
  );
}
