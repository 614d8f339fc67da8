/**
 * @module
 * An audit trail: who did what to which session, when, and how it ended. Never what was said.
 *
 * @example
 * ```ts
 * import { createSessions, memoryStore } from "holdfast";
 * import { auditedSessions, auditTo } from "holdfast/audit";
 * const store = memoryStore();
 * const sessions = auditedSessions(createSessions({ store }), { sink: auditTo(store.namespace("audit")) });
 * await sessions.as("support: carol").forUser("alice").create();
 * ```
 */
import { messageOf } from "../log/errors.ts";
import { checkId } from "../log/values.ts";
import type { AuditEvent, AuditSink } from "./audit-event.ts";
import { audited } from "./audited.ts";
import { createEvents } from "./events.ts";
import type { Message, Sessions } from "./types.ts";

export type { AuditEvent, AuditSink } from "./audit-event.ts";
export type { AuditFilter, AuditTrail } from "./audit-log.ts";
export { auditTo } from "./audit-log.ts";

export interface AuditOptions {
  readonly sink: AuditSink;
  /** Who acts, where `as` does not say. Default: the user of `forUser`. */
  readonly actor?: string;
  /**
   * Tells the sink of each operation before it begins, and does nothing where that fails. Default `false`: the sink is told
   * when it is over, which a crash in between keeps it from.
   */
  readonly required?: boolean;
  /** Named in events about sessions whose record the caller did not get. Default: none. */
  readonly namespace?: string;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
}

/** Sessions of which each operation is told to an audit sink; what they answer with is audited too. */
export interface AuditedSessions<M = Message, D extends object = Record<string, unknown>>
  extends Sessions<M, D> {
  /** The same sessions, with everything done through them in this name. */
  as(actor: string): AuditedSessions<M, D>;
  forUser(userId: string): AuditedSessions<M, D>;
}

/**
 * `sessions`, with each operation told to `options.sink` that reads or changes a session, also through a handle or a turn.
 * Operations wait for the sink. Where it fails afterwards, what was done stays done, and the failure is an `"error"` event;
 * with no listener for that, a warning of the process.
 *
 * Give it the sessions of all users: what `forUser` of the result keeps from a user is audited as `"denied"`.
 *
 * @throws STORE_UNAVAILABLE from any operation whose beginning the sink could not be told, where `required`: then nothing
 *   was done.
 */
export function auditedSessions<M extends object = Message, D extends object = Record<string, unknown>>(
  sessions: Sessions<M, D>,
  options: AuditOptions,
): AuditedSessions<M, D> {
  const { sink, required = false, clock = Date.now, namespace } = options;
  const events = createEvents();
  let listeners = 0;

  const failed = (error: unknown, event: AuditEvent): void => {
    const operation = `the audit of ${event.action}`;
    const { sessionId } = event;
    if (listeners === 0) {
      process.emitWarning(`${operation} failed: ${messageOf(error)}`, "HoldfastWarning");
      return;
    }
    events.emit("error", { operation, error, ...(sessionId !== undefined && { sessionId }) }, event.userId);
  };

  const view = (
    target: Sessions<M, D>,
    who: { readonly actor?: string; readonly userId?: string },
  ): AuditedSessions<M, D> =>
    audited<AuditedSessions<M, D>>(
      {
        ...target,
        as: (actor) => view(target, { ...who, actor: checkId(actor, "actor") }),
        forUser: (userId) => view(target.forUser(userId), { ...who, userId }),
        on(event, listener) {
          const offs = [target.on(event, listener), events.on(event, listener, who.userId)];
          if (event === "error") listeners += 1;
          let isOn = true;
          return () => {
            if (isOn && event === "error") listeners -= 1;
            isOn = false;
            for (const off of offs) off();
          };
        },
      },
      {
        sink,
        required,
        clock,
        failed,
        find: (id) => sessions.find(id),
        who: {
          ...(namespace !== undefined && { namespace }),
          ...(who.userId !== undefined && { userId: who.userId }),
          ...actorOf(who.actor ?? who.userId),
        },
      },
    );
  return view(sessions, options.actor === undefined ? {} : { actor: checkId(options.actor, "actor") });
}

function actorOf(actor: string | undefined): Pick<AuditEvent, "actor"> {
  return actor === undefined ? {} : { actor };
}
