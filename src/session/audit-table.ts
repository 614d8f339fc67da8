/**
 * @module
 * What each method of sessions, handles and turns is to an audit. The compiler holds the tables complete: a new method
 * must say what it is before anything compiles.
 */
import type { Session, Sessions, Turn } from "./types.ts";

/**
 * `named`: the first argument is the id of the session that it is about. `stream`: answers with many things, one by one.
 * `long`: takes its time. `quiet`: neither reads nor changes a session, or shows what another operation read.
 */
export type Kind = "call" | "named" | "named stream" | "stream" | "long" | "quiet";
type Table<T> = Readonly<Record<Extract<keyof T, string>, Kind>>;

const SESSIONS = {
  create: "call",
  open: "named",
  getOrCreate: "named",
  latest: "call",
  fork: "named",
  find: "named",
  list: "call",
  all: "stream",
  findActive: "call",
  search: "call",
  rename: "named",
  setStatus: "named",
  delete: "named",
  erase: "named",
  prune: "call",
  hold: "named",
  release: "named",
  export: "named stream",
  import: "call",
  forUser: "quiet",
  on: "quiet",
  close: "quiet",
} satisfies Table<Sessions>;

const SESSION = {
  id: "quiet",
  record: "quiet",
  label: "quiet",
  status: "quiet",
  usage: "quiet",
  data: "quiet",
  pending: "quiet",
  getState: "quiet",
  refresh: "call",
  append: "call",
  revise: "call",
  removeMessage: "call",
  setMessages: "call",
  clearMessages: "call",
  messages: "call",
  stream: "stream",
  entries: "stream",
  context: "call",
  compact: "call",
  watch: "stream",
  setData: "call",
  replaceData: "call",
  clearData: "call",
  enterRoute: "call",
  enterStep: "call",
  completeRoute: "call",
  setMetadata: "call",
  rename: "call",
  complete: "call",
  abandon: "call",
  reopen: "call",
  touch: "call",
  setState: "call",
  addUsage: "call",
  turn: "long",
  abandonTurn: "call",
  fork: "call",
  spawn: "call",
  checkpoint: "call",
  checkpoints: "call",
  rewind: "call",
  reset: "call",
  save: "call",
  close: "call",
} satisfies Table<Session>;

const TURN = {
  id: "quiet",
  owner: "quiet",
  resumed: "quiet",
  signal: "quiet",
  append: "call",
  end: "call",
  park: "call",
} satisfies Table<Turn>;

/** What each method is, by name. */
export const AUDITED = { sessions: SESSIONS, session: SESSION, turn: TURN } as const;
