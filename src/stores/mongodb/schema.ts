/**
 * @module
 * The schema: its indexes and its version.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";
import type { MigrationReport } from "../../store/store.ts";
import { newToken } from "../token.ts";
import type { MongodbCollection, MongodbDatabase } from "./client.ts";
import type { Collections } from "./collections.ts";
import { insertNew } from "./driver.ts";
import { codeOf, NAME } from "./errors.ts";

const VERSION = 1;
const SCHEMA_ID = "schema";
const LOCK_ID = "migrating";
/** A process that holds the lock for longer has crashed, or builds indexes that others may build too. */
const LOCK_MS = 60_000;
const WAIT_MS = 50;
/** MongoDB's code for a collection that is not there. */
const NO_COLLECTION = 26;

interface Index {
  readonly name: string;
  readonly key: Readonly<Record<string, 1 | -1>>;
  readonly sparse?: true;
}

const INDEXES: Readonly<Record<Exclude<keyof Collections, "meta">, readonly Index[]>> = {
  sessions: [
    { name: "holdfast_updated", key: { space: 1, updatedAt: -1, id: -1 } },
    { name: "holdfast_created", key: { space: 1, createdAt: -1, id: -1 } },
    { name: "holdfast_user", key: { space: 1, userId: 1, updatedAt: -1, id: -1 } },
    { name: "holdfast_user_status", key: { space: 1, userId: 1, status: 1, updatedAt: -1, id: -1 } },
    { name: "holdfast_parent", key: { space: 1, parentId: 1, updatedAt: -1, id: -1 } },
    { name: "holdfast_expires", key: { expiresAt: 1 }, sparse: true },
    { name: "holdfast_reserved", key: { reservedAt: 1 }, sparse: true },
  ],
  commits: [
    { name: "holdfast_log", key: { life: 1, last: 1 } },
    { name: "holdfast_block", key: { block: 1 } },
    { name: "holdfast_ids", key: { ids: 1 }, sparse: true },
    { name: "holdfast_words", key: { words: 1 }, sparse: true },
  ],
  ended: [{ name: "holdfast_at", key: { at: 1 } }],
};

/**
 * Makes collections and indexes that are missing. Processes that migrate at once wait for each other.
 *
 * @throws MIGRATION_REQUIRED where a newer release has written here, or an index of the same name is of other fields.
 */
export async function migrateSchema(
  database: MongodbDatabase,
  collections: Collections,
): Promise<MigrationReport> {
  const from = await readVersion(collections);
  const usesIndexes = await looksIntoIndexes(database);
  if (from === VERSION && (await missingIn(collections, usesIndexes)).length === 0)
    return { store: NAME, from, to: VERSION, steps: [] };
  return withLock(collections, async () => {
    const steps: string[] = [];
    for (const one of await missingIn(collections, usesIndexes)) steps.push(...(await make(database, one)));
    const isNew = (await insertNew(collections.meta, [{ _id: SCHEMA_ID, version: VERSION }]))[0] === true;
    return { store: NAME, from: isNew ? 0 : VERSION, to: VERSION, steps };
  });
}

interface Missing {
  readonly collection: MongodbCollection;
  readonly indexes: Index[];
}

/**
 * Whether the server finds anything by an index. FerretDB 1 does not: an index of ours would only be written to, by every
 * commit, and one of a list would refuse documents whose list is longer than 2,704 bytes.
 */
async function looksIntoIndexes(database: MongodbDatabase): Promise<boolean> {
  const { ferretdbVersion }: { ferretdbVersion?: unknown } = await database.command({ buildInfo: 1 });
  return typeof ferretdbVersion !== "string" || !/^v?1\./.test(ferretdbVersion);
}

/** Collections that are not there or lack indexes. Where the server uses none, they need not have any. */
async function missingIn(collections: Collections, usesIndexes: boolean): Promise<Missing[]> {
  const missing: Missing[] = [];
  for (const key of ["sessions", "commits", "ended"] as const) {
    const collection = collections[key];
    const present = await indexesOf(collection);
    const indexes = INDEXES[key].filter(({ name, key: fields }) => {
      const found = present?.get(name);
      if (found === undefined) return usesIndexes;
      if (found === JSON.stringify(fields)) return false;
      throw otherIndex(collection.collectionName, name);
    });
    if (indexes.length > 0 || !present) missing.push({ collection, indexes });
  }
  return missing;
}

/** The fields of each index, as JSON, by its name; `undefined` where there is no such collection. */
async function indexesOf(collection: MongodbCollection): Promise<Map<string, string> | undefined> {
  try {
    const found = await collection.indexes();
    return new Map(
      found.flatMap((index) =>
        isPlainObject(index) && typeof index.name === "string"
          ? [[index.name, JSON.stringify(index.key)] as const]
          : [],
      ),
    );
  } catch (error) {
    if (codeOf(error) === NO_COLLECTION) return undefined;
    throw error;
  }
}

/** Makes what is missing; a line for each. */
async function make(database: MongodbDatabase, { collection, indexes }: Missing): Promise<string[]> {
  const { collectionName } = collection;
  if (indexes.length > 0) {
    await collection.createIndexes(
      indexes.map(({ name, key, sparse }) => ({ name, key, ...(sparse && { sparse }) })),
    );
    return indexes.map(({ name }) => `made index ${name} of ${collectionName}`);
  }
  await database.command({ create: collectionName });
  return [`made collection ${collectionName}`];
}

/** Runs `work` while no other process does, or once another one has done it. */
async function withLock<T>({ meta }: Collections, work: () => Promise<T>): Promise<T> {
  const by = newToken();
  for (const until = performance.now() + 2 * LOCK_MS; ; ) {
    const [isOurs] = await insertNew(meta, [{ _id: LOCK_ID, by, at: Date.now() }]);
    if (isOurs) break;
    if (performance.now() > until) throw locked(meta.collectionName);
    await meta.deleteOne({ _id: LOCK_ID, at: { $lt: Date.now() - LOCK_MS } });
    await sleep(WAIT_MS);
  }
  try {
    return await work();
  } finally {
    await meta.deleteOne({ _id: LOCK_ID, by });
  }
}

function locked(collection: string): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `another process has been migrating the MongoDB store for minutes; try again, or delete the document "${LOCK_ID}" of ${collection} where no process is`,
    { store: NAME },
  );
}

function otherIndex(collection: string, name: string): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    `the MongoDB collection ${collection} has an index ${name} that is not Holdfast's; nothing was changed: drop it, or give the store other \`collections\``,
    { store: NAME },
  );
}

/**
 * The version that is there; 0 where there is none.
 *
 * @throws MIGRATION_REQUIRED where it is one that this release does not know.
 */
export async function readVersion({ meta }: Collections): Promise<number> {
  const [found] = await meta.find({ _id: SCHEMA_ID }).toArray();
  if (found === undefined) return 0;
  const version = isPlainObject(found) ? found.version : undefined;
  if (version === VERSION) return VERSION;
  throw new HoldfastError(
    "MIGRATION_REQUIRED",
    `what is stored in the MongoDB collections has schema version ${JSON.stringify(version)} and this release of holdfast knows version ${VERSION}; nothing was changed: update holdfast, or give the store other \`collections\``,
    { store: NAME },
  );
}
