/**
 * @module
 * Events: what happens to sessions, for logs and metrics. A listener never changes what happens.
 */
import type { SessionRecord } from "../log/record.ts";

/** What each event carries. */
export interface EventMap {
  created: { readonly sessionId: string; readonly record: SessionRecord };
  loaded: { readonly sessionId: string; readonly record: SessionRecord };
  /** Entries were committed. */
  saved: { readonly sessionId: string; readonly record: SessionRecord; readonly entries: number };
  forked: { readonly sessionId: string; readonly record: SessionRecord; readonly parentId: string };
  deleted: { readonly sessionId: string };
  /** Another writer won; the change is decided again. */
  conflict: { readonly sessionId: string; readonly attempt: number };
  /** Something failed that no caller waits for: a lease that could not be renewed, a listener that threw. */
  error: { readonly sessionId?: string; readonly operation: string; readonly error: unknown };
  /** A layer went on without its primary store. */
  degraded: { readonly store: string; readonly error: unknown };
  recovered: { readonly store: string };
}

export type EventName = keyof EventMap;
export type Listener<E extends EventName> = (event: EventMap[E]) => void;

export interface Events {
  /** @param userId only events about this user's sessions, and those about the store. */
  on<E extends EventName>(event: E, listener: Listener<E>, userId?: string): () => void;
  /** @param userId whose session it is about, where the payload holds no record. */
  emit<E extends EventName>(event: E, payload: EventMap[E], userId?: string): void;
}

/** A listener, and the user whose events it may see; `undefined`: everybody's. */
type Listening<E extends EventName> = { readonly listener: Listener<E>; readonly userId: string | undefined };

export function createEvents(): Events {
  const listeners: { [E in EventName]: Set<Listening<E>> } = {
    created: new Set(),
    loaded: new Set(),
    saved: new Set(),
    forked: new Set(),
    deleted: new Set(),
    conflict: new Set(),
    error: new Set(),
    degraded: new Set(),
    recovered: new Set(),
  };

  function emit<E extends EventName>(event: E, payload: EventMap[E], userId?: string): void {
    const set: Set<Listening<E>> = listeners[event];
    const owner = "record" in payload ? payload.record.userId : userId;
    const isPublic = event === "degraded" || event === "recovered";
    // The change is made; a listener's failure must not look like the change's. It must not vanish either.
    const failed = (error: unknown): void => {
      if (event === "error") queueMicrotask(() => rethrow(error));
      else emit("error", { operation: `a listener for "${event}"`, error }, owner);
    };
    for (const { listener, userId: only } of [...set]) {
      if (only !== undefined && only !== owner && !isPublic) continue;
      try {
        const result: unknown = listener(payload);
        // An async function is a listener too.
        if (result instanceof Promise) result.catch(failed);
      } catch (error) {
        failed(error);
      }
    }
  }

  return {
    on(event, listener, userId) {
      const listening = { listener, userId };
      listeners[event].add(listening);
      return () => void listeners[event].delete(listening);
    },
    emit,
  };
}

function rethrow(error: unknown): never {
  throw error;
}
