/**
 * @module
 * Documents as MongoDB keeps them. Texts are kept as text; what is beside them is for indexes.
 *
 * A session document: `_id` key, `space`, `id`, `life`, `ordinal`, `version`, `seq`, `from`, `record` (text), what lists
 * filter and sort by, `meta` (one text for each metadata key with a plain value), `reservedAt` until the first commit.
 *
 * A commit document: `_id` life/ordinal, `block` life/(ordinal ÷ 16), `life`, `ordinal`, `key`, `space`, `attempt`, `first`, `last`, `at`, `since`,
 * `madeAt`, `types`, `entries` (text), `ids` (life and caller's id, as one text each) with `seqs`, `words` (namespace and word).
 */
import { createHash } from "node:crypto";
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { isPlainObject } from "../../log/values.ts";
import type {
  CommitDocument,
  CommitPlace,
  Marker,
  SessionDocument,
  StoredCommit,
} from "../documents/driver.ts";
import { wordsOf } from "../documents/words.ts";
import { NAME } from "./errors.ts";

/** Enough for ordinals to sort as texts. */
const ORDINAL_DIGITS = 12;

export function commitId({ life, ordinal }: CommitPlace): string {
  return `${life}/${String(ordinal).padStart(ORDINAL_DIGITS, "0")}`;
}

/** Commits of one block: read together, where the end of a log is read. */
export const BLOCK = 16;

/** What the commit documents of a life share that have about this ordinal. */
export function blockOf(life: string, ordinal: number): string {
  return `${life}/${Math.floor(ordinal / BLOCK)}`;
}

/** The ids of the commit documents of a life. */
export function lifeRange(life: string): object {
  return { $gte: `${life}/`, $lt: `${life}0` };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are escaped
const NEEDS_ESCAPE = /[\u0000\u0001]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const ESCAPED = /\u0001[\u0001\u0002]/g;

/**
 * `text` without NUL, which MongoDB takes and servers that keep its documents in PostgreSQL do not. No two texts become
 * the same one, and all keep their order.
 */
export function storedText(text: string): string {
  return text.replace(NEEDS_ESCAPE, (character) => (character === "\0" ? "\u0001\u0001" : "\u0001\u0002"));
}

/** The text that {@link storedText} made `stored` of. */
export function textOf(stored: string): string {
  return stored.replace(ESCAPED, (pair) => (pair === "\u0001\u0001" ? "\0" : "\u0001"));
}

/** A caller's id as it is indexed: within its life. */
export function idKey(life: string, id: string): string {
  return `${life}/${storedText(id)}`;
}

/** What a word is indexed with: a mark of its namespace, which tells most apart; the documents say which they are of. */
export function wordPrefix(space: string): string {
  return `${createHash("sha256").update(space).digest("base64url").slice(0, 8)} `;
}

/** Longer ones are known by a hash. */
const MAX_META_LENGTH = 200;

/** A metadata key and its value as one text. Only what a query can look for is kept. */
export function metaKey(key: string, value: unknown): string | undefined {
  if (value !== null && !["string", "number", "boolean"].includes(typeof value)) return undefined;
  const text = JSON.stringify([key, value]);
  if (text.length <= MAX_META_LENGTH) return text;
  return `#${createHash("sha256").update(text).digest("base64url")}`;
}

/** What lists filter and sort by. */
export function columnsOf(record: SessionRecord): Record<string, unknown> {
  const { userId, agent, label, status, parentId, kind, createdAt, updatedAt, metadata } = record;
  const meta = Object.entries(metadata).map(([key, value]) => metaKey(key, value));
  const stored = (text: string | undefined): string | null => (text === undefined ? null : storedText(text));
  return {
    userId: stored(userId),
    agent: stored(agent),
    label: stored(label),
    status,
    parentId: stored(parentId),
    kind,
    createdAt,
    updatedAt,
    meta: meta.filter((text) => text !== undefined),
  };
}

export function commitDocument(commit: CommitDocument): Record<string, unknown> {
  const { life, ordinal, key, space, attempt, first, last, at, since, ids, types, entries, texts } = commit;
  const prefix = wordPrefix(space);
  const words = wordsOf(texts).map((word) => prefix + word);
  return {
    _id: commitId(commit),
    block: blockOf(life, ordinal),
    madeAt: Date.now(),
    ...{ life, ordinal, key, space, attempt, first, last, at, since, types, entries },
    ...(ids.length > 0 && { ids: ids.map(({ id }) => idKey(life, id)), seqs: ids.map(({ seq }) => seq) }),
    ...(words.length > 0 && { words }),
  };
}

/** What makes a commit document the end of its life. */
export const AS_END: object = {
  $set: { first: 0, last: 0, at: 0, since: 0, attempt: "", space: "", entries: "" },
  $unset: { types: "", ids: "", seqs: "", words: "" },
};

/** @throws STORE_CORRUPT for what is no session document. */
export function parseSession(value: unknown, collection: string): SessionDocument {
  const { text, number } = reader(value, collection);
  const record = isPlainObject(value) && typeof value.record === "string" ? value.record : undefined;
  return {
    key: text("_id"),
    id: textOf(text("id")),
    life: text("life"),
    ordinal: number("ordinal"),
    version: number("version"),
    seq: number("seq"),
    from: number("from"),
    createdAt: number("createdAt"),
    updatedAt: number("updatedAt"),
    ...(record !== undefined && { record }),
  };
}

/** @throws STORE_CORRUPT for what is no commit document. */
export function parseCommit(value: unknown, collection: string): StoredCommit {
  const { text, number } = reader(value, collection);
  const life = text("life");
  return {
    life,
    ordinal: number("ordinal"),
    key: text("key"),
    attempt: text("attempt"),
    first: number("first"),
    last: number("last"),
    at: number("at"),
    entries: text("entries"),
    ids: idsOf(value, life),
  };
}

export function parseMarker(value: unknown, collection: string): Marker {
  const { text, number } = reader(value, collection);
  return { life: text("_id"), key: text("key"), atMs: number("at") };
}

/** The callers' ids of a commit document and where they are. */
export function idsOf(value: unknown, life: string): { id: string; seq: number }[] {
  if (!isPlainObject(value) || !Array.isArray(value.ids) || !Array.isArray(value.seqs)) return [];
  const ids: unknown[] = value.ids;
  const seqs: unknown[] = value.seqs;
  return ids.flatMap((key, index) => {
    const seq = seqs[index];
    return typeof key === "string" && typeof seq === "number"
      ? [{ id: key.slice(life.length + 1), seq }]
      : [];
  });
}

interface FieldReader {
  text(field: string): string;
  number(field: string): number;
}

function reader(value: unknown, collection: string): FieldReader {
  const fields = isPlainObject(value) ? value : {};
  const wrong = (field: string): HoldfastError =>
    new HoldfastError(
      "STORE_CORRUPT",
      `a document in the MongoDB collection ${collection} is not one of Holdfast's (${field} is ${typeof fields[field]}), so another program wrote it; nothing was changed: remove it, or give the store other \`collections\``,
      { store: NAME },
    );
  return {
    text(field) {
      const held = fields[field];
      if (typeof held !== "string") throw wrong(field);
      return held;
    },
    number(field) {
      const held = fields[field];
      if (typeof held !== "number") throw wrong(field);
      return held;
    },
  };
}
