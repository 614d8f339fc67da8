/**
 * @module
 * What counts as an outage, and how the layer says what it can't do during one.
 */
import { HoldfastError } from "../../log/errors.ts";

/**
 * Whether `error` says that the primary could not be reached: STORE_UNAVAILABLE that may pass by itself. A closed store, a
 * wrong password, a conflict, bad input, damage and an old schema are no outages.
 */
export function isOutage(error: unknown): boolean {
  return HoldfastError.is(error, "STORE_UNAVAILABLE") && error.retryable;
}

/** The primary did not answer in time; what it was asked may take place all the same. */
export function timedOut(store: string, timeoutMs: number): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${store} store did not answer within ${timeoutMs} ms; see that it runs, or raise the fallback's timeoutMs`,
    { store },
  );
}

/** The primary was not asked: it could not be reached a moment ago. */
export function notAsked(store: string, cause: unknown): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${store} store can't be reached at the moment; try again once it is back`,
    { store, cause },
  );
}

/** The session can't be served from here: the replica holds no copy of it, or an old one. */
export function notHeld(store: string, sessionId: string, isOld: boolean, cause: unknown): HoldfastError {
  const why = isOld
    ? "the local replica holds only an older state of it"
    : "it is not in the local replica, since it was not used here before the outage";
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${store} store can't be reached, and session ${JSON.stringify(sessionId)} can't be served without it: ${why}; try again once the store is back`,
    { sessionId, store, cause },
  );
}

/** The call needs the primary: from here its answer would be incomplete. */
export function refused(store: string, what: string, why: string, sessionId?: string): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `${what} needs the ${store} store, which can't be reached or is still being brought up to date: ${why}; try again once it is back`,
    { sessionId, store },
  );
}

export function closedError(store: string): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", `the ${store} store is closed; make a new one`, {
    store,
    retryable: false,
  });
}
