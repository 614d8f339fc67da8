/**
 * @module
 * The collections, their names, and how they are read and written: from the primary, what a majority has, and not done
 * before a majority has it in its journal.
 *
 * @see https://www.mongodb.com/docs/manual/core/causal-consistency-read-write-concerns/
 */
import { invalidArgument } from "../../log/errors.ts";
import type { MongodbCollection, MongodbDatabase } from "./client.ts";

/** What the collections are called. The default of each is `holdfast_` and its key. */
export interface MongodbCollections {
  readonly sessions: string;
  readonly commits: string;
  /** Lives of sessions that were removed, for an hour. */
  readonly ended: string;
  /** The schema's version. */
  readonly meta: string;
}

const DEFAULTS: MongodbCollections = {
  sessions: "holdfast_sessions",
  commits: "holdfast_commits",
  ended: "holdfast_ended",
  meta: "holdfast_meta",
};

const MAX_NAME_LENGTH = 64;

/**
 * The default names, with `given` in their place where there is one.
 *
 * @throws INVALID_ARGUMENT unless each is a letter or underscore followed by letters, digits, `_`, `-` and `.`, at most
 *   64 characters, no two are the same, and none begins with `system.`.
 */
export function collectionNames(given: Partial<MongodbCollections> = {}): MongodbCollections {
  const names = { ...DEFAULTS, ...given };
  const seen = new Map<unknown, string>();
  for (const [key, name] of Object.entries<unknown>({ ...names })) {
    if (!Object.hasOwn(DEFAULTS, key)) {
      throw invalidArgument(
        `collections.${key} is no collection of Holdfast's; there are ${Object.keys(DEFAULTS).join(", ")}`,
      );
    }
    if (typeof name !== "string" || !isName(name)) {
      throw invalidArgument(
        `collections.${key} must be a letter followed by letters, digits, "_", "-" or ".", at most ${MAX_NAME_LENGTH} characters, and not begin with "system."`,
      );
    }
    const other = seen.get(name);
    if (other !== undefined)
      throw invalidArgument(`collections.${key} and collections.${other} are both ${name}`);
    seen.set(name, key);
  }
  return names;
}

function isName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && /^[A-Za-z_][\w.-]*$/.test(name) && !name.startsWith("system.");
}

export type Collections = Readonly<Record<keyof MongodbCollections, MongodbCollection>>;

export function openCollections(
  database: MongodbDatabase,
  names: MongodbCollections,
  timeoutMs: number,
): Collections {
  const options = {
    readPreference: "primary",
    readConcern: { level: "majority" },
    writeConcern: { w: "majority", journal: true, wtimeoutMS: timeoutMs },
    // Whatever the client makes of other values: numbers and texts are to come back as they went in.
    promoteValues: true,
    promoteLongs: true,
    useBigInt64: false,
    raw: false,
    ignoreUndefined: false,
  };
  const open = (name: string): MongodbCollection => database.collection(name, options);
  return {
    sessions: open(names.sessions),
    commits: open(names.commits),
    ended: open(names.ended),
    meta: open(names.meta),
  };
}
