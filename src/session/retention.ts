/**
 * @module
 * The end of sessions, and what keeps them from it.
 */
export { eraseSession } from "./erase.ts";
export { holdSession, holdWithParent, releaseSession } from "./hold.ts";
export { pruneSessions } from "./prune.ts";
export { collect, deleteSession, isKeptFor, makeWay } from "./removal.ts";
