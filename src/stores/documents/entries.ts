/**
 * @module
 * Commits as documents and back. A commit's entries are one text: for each entry a line with what is known of it, then
 * a line with its data, both JSON, which holds no line break of its own. So what is read back is what was written, byte
 * for byte, and one entry can be read without parsing those around it.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { searchText } from "../../log/text.ts";
import { byteLength } from "../../log/values.ts";
import { callerId, checkSize, decodeEntry, encodeData } from "../../store/codec.ts";
import type { Commit } from "../../store/store.ts";
import { newToken } from "../token.ts";
import type { CommitDocument, EntryPlace, StoredCommit } from "./driver.ts";
import type { Space } from "./space.ts";
import { sessionKey } from "./space.ts";

/** What an engine keeps beside a caller's id. */
const ID_OVERHEAD_BYTES = 64;

/** A commit as a document, but for the place that it will have. */
export type CommitDraft = Omit<CommitDocument, "life" | "ordinal">;

/**
 * @throws ENTRY_TOO_LARGE where an entry, or all of them together, are more than a document takes. INVALID_ARGUMENT for
 *   a value that can't be kept.
 */
export function encodeCommit(space: Space, { sessionId, entries }: Commit): CommitDraft {
  const lines: string[] = [];
  const ids: EntryPlace[] = [];
  const texts: string[] = [];
  const types = new Set<string>();
  let at = Number.NEGATIVE_INFINITY;
  let since = Number.POSITIVE_INFINITY;
  let idBytes = 0;
  for (const entry of entries) {
    const data = encodeData(entry);
    checkSize(data, sessionId, space.name, space.capabilities);
    const id = callerId(entry);
    lines.push(
      JSON.stringify([entry.type, entry.at, id ?? null, entry.text ?? null, entry.commit ?? null]),
      data,
    );
    if (id !== undefined) {
      ids.push({ id, seq: entry.seq });
      idBytes += byteLength(id) + ID_OVERHEAD_BYTES;
    }
    const text = searchText(entry);
    if (text !== undefined) texts.push(text);
    types.add(entry.type);
    at = Math.max(at, entry.at);
    since = Math.min(since, entry.at);
  }
  const text = lines.join("\n");
  checkCommitSize(space, sessionId, entries.length, byteLength(text) + idBytes);
  return {
    key: sessionKey(space.path, sessionId),
    space: space.path,
    attempt: newToken(),
    first: entries[0]?.seq ?? 0,
    last: entries.at(-1)?.seq ?? 0,
    at,
    since,
    ids,
    types: [...types],
    entries: text,
    texts,
  };
}

/** One draft of several that follow on each other. */
export function mergeDrafts(first: CommitDraft, others: readonly CommitDraft[]): CommitDraft {
  if (others.length === 0) return first;
  const all = [first, ...others];
  return {
    ...first,
    last: all.at(-1)?.last ?? first.last,
    at: Math.max(...all.map(({ at }) => at)),
    since: Math.min(...all.map(({ since }) => since)),
    ids: all.flatMap(({ ids }) => ids),
    types: [...new Set(all.flatMap(({ types }) => types))],
    entries: all.map(({ entries }) => entries).join("\n"),
    texts: all.flatMap(({ texts }) => texts),
  };
}

function checkCommitSize({ name, driver }: Space, sessionId: string, count: number, bytes: number): void {
  if (bytes <= driver.maxCommitBytes) return;
  throw new HoldfastError(
    "ENTRY_TOO_LARGE",
    `a commit of ${count} entries to session ${JSON.stringify(sessionId)} is ${bytes} bytes and the ${name} store takes at most ${driver.maxCommitBytes} in one commit; append fewer entries at once`,
    { sessionId, store: name },
  );
}

/** Which entries of a document are wanted. */
export interface Wanted {
  readonly after: number;
  readonly upTo: number;
  readonly types?: ReadonlySet<string> | undefined;
}

/**
 * The entries of a document that are wanted, ascending.
 *
 * @throws STORE_CORRUPT naming the session where the text is not that of the entries that it should hold.
 */
export function decodeEntries(
  commit: Pick<StoredCommit, "first" | "last" | "ordinal" | "entries">,
  sessionId: string,
  store: string,
  { after, upTo, types }: Wanted = { after: 0, upTo: Number.MAX_SAFE_INTEGER },
): Entry[] {
  const { first, last, ordinal, entries: text } = commit;
  const lines = text.split("\n");
  const what = `commit ${ordinal} of session ${JSON.stringify(sessionId)}`;
  if (lines.length !== 2 * (last - first + 1)) throw corrupt(what, sessionId, store);
  const entries: Entry[] = [];
  for (let seq = Math.max(first, after + 1); seq <= Math.min(last, upTo); seq += 1) {
    const line = 2 * (seq - first);
    const header = parseHeader(lines[line] ?? "");
    if (!header) throw corrupt(what, sessionId, store);
    if (types && !types.has(header.type)) continue;
    entries.push(decodeEntry({ seq, ...header, data: lines[line + 1] ?? "" }, sessionId, store));
  }
  return entries;
}

interface Header {
  readonly type: string;
  readonly at: number;
  readonly id: string | null;
  readonly text: string | null;
  readonly commit: string | null;
}

function parseHeader(line: string): Header | undefined {
  const parts = parse(line);
  if (!Array.isArray(parts) || parts.length !== 5) return undefined;
  const [type, at, id, text, commit]: unknown[] = parts;
  if (typeof type !== "string" || typeof at !== "number") return undefined;
  if (!isText(id) || !isText(text) || !isText(commit)) return undefined;
  return { type, at, id, text, commit };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function corrupt(what: string, sessionId: string, store: string): HoldfastError {
  return new HoldfastError(
    "STORE_CORRUPT",
    `${what} can't be read from the ${store} store: its text is not that of its entries; nothing was changed, run "holdfast doctor"`,
    { sessionId, store },
  );
}
