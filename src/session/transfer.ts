/**
 * @module
 * Sessions as lines of JSON, and from store to store.
 *
 * The first line is a header, `{"holdfast":1,"session":id,"entries":n}`; each other line is one entry. What a fork
 * inherits comes along, so that the lines stand for themselves; read back, it is a session with all of it in its own log.
 */
import type { Entry } from "../log/entry.ts";
import { isKnown, positionalId } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import { evolve } from "../log/evolve.ts";
import { forkPoint, partsOf } from "../log/lineage.ts";
import type { SessionRecord } from "../log/record.ts";
import { checkId, encodeValue } from "../log/values.ts";
import { callerId } from "../store/codec.ts";
import type { Commit, SessionStore } from "../store/store.ts";
import { historyOf } from "./history.ts";
import type { Header } from "./import-line.ts";
import { FORMAT, parseEntry, parseHeader } from "./import-line.ts";
import type { Runtime, Scope } from "./runtime.ts";

/** How much of an import goes to the store as one batch; where a later one fails, those before it are undone. */
const CHUNK_CHARACTERS = 16 * 1024 * 1024;
const READ_PAGE = 500;

/** The lines of a session's export, without line ends. */
export async function* exportLines(store: SessionStore, record: SessionRecord): AsyncGenerator<string> {
  yield JSON.stringify({ holdfast: FORMAT, session: record.id, entries: record.seq });
  const history = historyOf(store, { record, pending: [] });
  let written = 0;
  for (const part of partsOf(record)) {
    // What was erased keeps its place, so that later entries keep theirs.
    while (part.erased && written < part.upTo) yield encodeValue(await stub(store, record, ++written));
    for await (const entry of part.erased ? [] : history.forward({ after: part.after, upTo: part.upTo })) {
      written = entry.seq;
      yield encodeValue(written === 1 && record.kind === "fork" ? ofNoParent(entry) : entry);
    }
    if (written !== part.upTo) throw missingEntries(store, record.id, written + 1);
  }
}

/** A fork of a child is no child. */
function ofNoParent(entry: Entry): Entry {
  if (!isKnown(entry) || entry.type !== "session.created") return entry;
  const { parentId: _parentId, ...data } = entry.data;
  return { ...entry, data: { ...data, kind: "session" } };
}

async function stub(store: SessionStore, record: SessionRecord, seq: number): Promise<Entry> {
  const at = record.createdAt;
  if (seq > 1) return { seq, id: positionalId(seq), type: "x.erased", data: null, at };
  const [created] = await store.read(record.id, { after: forkPoint(record), limit: 1 });
  return { seq, id: positionalId(seq), type: "session.created", data: created?.data ?? {}, at };
}

/**
 * Creates the session that the lines of an export stand for, and answers with its record.
 *
 * @throws INVALID_ARGUMENT naming the line that is wrong, or saying that the export is cut short. SESSION_EXISTS.
 */
export async function importLines(
  runtime: Runtime,
  lines: Iterable<string> | AsyncIterable<string>,
  options: { id?: string },
  scope: Scope,
): Promise<SessionRecord> {
  const { store } = runtime;
  const { namespaceName: namespace = "" } = store;
  const givenId = options.id === undefined ? undefined : checkId(options.id, "session id");
  let header: Header | undefined;
  let record: SessionRecord | undefined;
  let stored: SessionRecord | undefined;
  let chunk: Entry[] = [];
  let characters = 0;
  let number = 0;
  const ids = new Set<string>();

  const flush = async (): Promise<void> => {
    if (record === undefined || chunk.length === 0) return;
    await commitAll(store, stored, chunk, record);
    stored = record;
    chunk = [];
    characters = 0;
  };
  try {
    for await (const line of typeof lines === "string" ? lines.split("\n") : lines) {
      number += 1;
      if (typeof line === "string" && line.trim() === "") continue;
      if (header === undefined) {
        header = parseHeader(line);
        continue;
      }
      const entry = parseEntry(line, number, (record?.seq ?? 0) + 1);
      // Only where a commit began can a chunk end: each raises the version that guards the next.
      if (characters > CHUNK_CHARACTERS && entry.commit !== undefined) await flush();
      const own = relocate(entry, givenId ?? header.session, namespace, scope, ids);
      record = evolve(record, own);
      chunk.push(own);
      characters += line.length;
    }
    if (header === undefined) throw invalidArgument("there is nothing to import: the input is empty");
    if (record?.seq !== header.entries) {
      throw invalidArgument(
        `the export is cut short: ${record?.seq ?? 0} of ${header.entries} entries of session ${JSON.stringify(header.session)} are there; nothing was imported`,
      );
    }
    await flush();
    return record;
  } catch (error) {
    if (stored) await store.remove(stored.id);
    throw error;
  }
}

/** The entry as it stands in a log of its own, which inherits nothing. */
function relocate(entry: Entry, id: string, namespace: string, scope: Scope, ids: Set<string>): Entry {
  const own = callerId(entry);
  // A fork and what it inherits may both have used an id; one log can't.
  if (own !== undefined && ids.has(own)) return { ...entry, id: positionalId(entry.seq) };
  if (own !== undefined) ids.add(own);
  if (!isKnown(entry)) return entry;
  const isUsers = scope.userId !== undefined;
  // A user can neither place nor lift a hold: what there was is kept as a note.
  if (isUsers && (entry.type === "hold.set" || entry.type === "hold.released"))
    return { ...entry, type: `x.${entry.type}` };
  if (entry.type !== "session.created") return entry;
  const { lineage: _lineage, kind, parentId, hold, ...data } = entry.data;
  return {
    ...entry,
    data: {
      ...data,
      id,
      namespace,
      kind: kind === "child" ? kind : "session",
      ...(kind === "child" && parentId !== undefined && { parentId }),
      ...(hold && !isUsers && { hold }),
      ...(scope.userId !== undefined && { userId: scope.userId }),
    },
  };
}

/**
 * Copies one session to another store as it is: same id, versions, lineage. Answers with how many entries went over;
 * where the other store has the beginning of it, only what is missing does.
 *
 * @throws SESSION_EXISTS where the other store has another session of this id, or one that went on differently.
 */
export async function copySession(
  from: SessionStore,
  to: SessionStore,
  record: SessionRecord,
): Promise<number> {
  const [existing] = await to.find([record.id]);
  if (existing && !(await isBeginning(from, to, existing, record))) throw exists(record.id, to);
  const begin = existing?.seq ?? forkPoint(record);
  let position = begin;
  let current = existing;
  let next = existing;
  let chunk: Entry[] = [];
  while (position < record.seq) {
    const page = await from.read(record.id, { after: position, upTo: record.seq, limit: READ_PAGE });
    if (page[0]?.seq !== position + 1) throw missingEntries(from, record.id, position + 1);
    for (const entry of page) {
      if (next && chunk.length >= READ_PAGE && entry.commit !== undefined) {
        await commitAll(to, current, chunk, next);
        current = next;
        chunk = [];
      }
      next = evolve(next, entry);
      chunk.push(entry);
      position = entry.seq;
    }
  }
  if (chunk.length > 0) await commitAll(to, current, chunk, record);
  return record.seq - begin;
}

/** Whether `existing` holds the first of the same entries. */
async function isBeginning(
  from: SessionStore,
  to: SessionStore,
  existing: SessionRecord,
  record: SessionRecord,
): Promise<boolean> {
  const { id, seq, version, createdAt } = existing;
  if (createdAt !== record.createdAt || version > record.version || seq > record.seq) return false;
  const range = { after: seq - 1, upTo: seq, limit: 1 };
  const [[here], [there]] = await Promise.all([from.read(id, range), to.read(id, range)]);
  return here !== undefined && there !== undefined && encodeValue(here) === encodeValue(there);
}

/** Commits `entries` as the commits that they were made in, each raising the version by one, in one batch. */
async function commitAll(
  store: SessionStore,
  before: SessionRecord | undefined,
  entries: readonly Entry[],
  record: SessionRecord,
): Promise<void> {
  const commits: Commit[] = [];
  let current = before;
  let own: Entry[] = [];
  let next = before;
  const close = (after: SessionRecord): void => {
    commits.push({
      sessionId: record.id,
      expectedVersion: current?.version ?? 0,
      entries: own,
      record: after,
    });
    current = after;
    own = [];
  };
  for (const entry of entries) {
    if (next && own.length > 0 && entry.commit !== undefined) close(next);
    next = evolve(next, entry);
    own.push(entry);
  }
  close(record);
  const outcomes = await store.commit(commits);
  if (outcomes.every(({ status }) => status === "committed")) return;
  if (before === undefined && outcomes[0]?.status === "committed") await store.remove(record.id);
  throw exists(record.id, store);
}

function exists(id: string, store: SessionStore): HoldfastError {
  return new HoldfastError(
    "SESSION_EXISTS",
    `session ${JSON.stringify(id)} exists already in the ${store.name} store with other content; import it under another id`,
    { sessionId: id, store: store.name },
  );
}

function missingEntries(store: SessionStore, id: string, seq: number): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `entry ${seq} of session ${JSON.stringify(id)} is missing from the ${store.name} store; was the session deleted meanwhile? If not, run "holdfast doctor"`,
    { sessionId: id, store: store.name },
  );
}
