/**
 * @module
 * What an audit trail is made of.
 */
import type { HoldfastErrorCode } from "../log/errors.ts";

/**
 * One operation, or its beginning. It names sessions, people and numbers; it never holds a message, a label, data or a
 * reason.
 */
export interface AuditEvent {
  /** When the operation began, in epoch milliseconds. */
  readonly at: number;
  /** The two events of one operation share it. */
  readonly operation: string;
  /**
   * `begun`: it is about to be done, of operations that take their time (streams, turns), and of all where the audit is
   * required. Else it is over, and this says how: `denied`, where it was kept from a user because the session is another's;
   * the code of its error; `ERROR` for what is no error of Holdfast's.
   */
  readonly outcome: "begun" | "ok" | "denied" | HoldfastErrorCode | "ERROR";
  /** The object and the method, for example `session.append`. */
  readonly action: string;
  /** Who did it, where that is known. */
  readonly actor?: string;
  /** The user whose sessions alone were to be seen. */
  readonly userId?: string;
  readonly namespace?: string;
  /** The session that it was about, where it was one. */
  readonly sessionId?: string;
  /** The sessions that were listed, found, held or removed, where it was about several. */
  readonly sessionIds?: readonly string[];
  /** How many things were answered with. */
  readonly count?: number;
  /** What a change led to. */
  readonly version?: number;
  readonly seq?: number;
}

/** Takes an event to where the trail is kept. The operation waits for it. */
export type AuditSink = (event: AuditEvent) => void | Promise<void>;
