/**
 * The MongoDB store: sessions shared by many processes and machines, on a replica set or a single server. On your client
 * of the official driver, or at a URL.
 *
 * @module holdfast/mongodb
 * @example
 * ```ts
 * import { MongoClient } from "mongodb";
 * import { createSessions } from "holdfast";
 * import { mongodbStore } from "holdfast/mongodb";
 *
 * const client = new MongoClient("mongodb://localhost:27017");
 * const sessions = createSessions({ store: mongodbStore({ client, database: "chat" }) });
 * ```
 */
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { DocumentEngine } from "./documents/store.ts";
import { documentStore } from "./documents/store.ts";
import { changesOf } from "./mongodb/changes.ts";
import type { MongodbClient, MongodbDatabase, OpenedDatabase } from "./mongodb/client.ts";
import { openUrl } from "./mongodb/client.ts";
import type { MongodbCollections } from "./mongodb/collections.ts";
import { collectionNames, openCollections } from "./mongodb/collections.ts";
import { mongodbDriver } from "./mongodb/driver.ts";
import { NAME, toHoldfastError } from "./mongodb/errors.ts";
import { migrateSchema, readVersion } from "./mongodb/schema.ts";

export type { MongodbClient, MongodbDatabase } from "./mongodb/client.ts";
export type { MongodbCollections } from "./mongodb/collections.ts";

export type MongodbStoreOptions = MongodbSource & {
  /** Other names for the collections. Stores with different ones never meet. Default `holdfast_sessions` and so on. */
  readonly collections?: Partial<MongodbCollections>;
  /**
   * - `"auto"`: the first commit makes collections and indexes where they are missing.
   * - `"manual"`: only `store.migrate()` does; before that commits are MIGRATION_REQUIRED.
   *
   * Default `"auto"`.
   */
  readonly migrate?: "auto" | "manual";
  /**
   * What an acknowledged commit survives, which the store can't see and hands on as `capabilities.durability`. It is
   * always in the journal of a majority of the members.
   *
   * - `"disk"`: a power cut. True of any server.
   * - `"replicated"`: the loss of a machine. Say so where the server is a replica set of three or more.
   *
   * Default `"disk"`.
   */
  readonly durability?: "disk" | "replicated";
  /**
   * - `"push"`: watches are woken by change streams where the server has them (a replica set), one for each watch; where it
   *   has none, a watch looks four times a second.
   * - `"poll"`: no change stream is opened; whoever watches looks every so often.
   *
   * Default `"push"`.
   */
  readonly watch?: "push" | "poll";
  /**
   * How long a write may wait for a majority, in milliseconds; with `url` also how long to wait for a connection and for
   * an answer. Default 10,000.
   */
  readonly timeoutMs?: number;
};

type MongodbSource =
  | {
      /** A `MongoClient` of the package mongodb, 6 or later. `close()` leaves it open. */
      readonly client: MongodbClient;
      /** The database. Default: the one that the client's URL names, else `test`. */
      readonly database?: string;
      readonly url?: undefined;
    }
  | {
      /** `mongodb://` or `mongodb+srv://`: the store opens a client of its own. The package mongodb must be installed. */
      readonly url: string;
      /** The database. Default: the one that the URL names, else `holdfast`. */
      readonly database?: string;
      readonly client?: undefined;
    }
  | {
      /** A `Db` of the package mongodb. `close()` leaves its client open. */
      readonly database: MongodbDatabase;
      readonly client?: undefined;
      readonly url?: undefined;
    };

const DEFAULT_TIMEOUT_MS = 10_000;
/** Of the 16 MB that a document takes; the rest is for the words of the text and for the ids. */
const MAX_ENTRY_BYTES = 12 * 1024 * 1024;

/**
 * Keeps sessions in MongoDB 5 or later. A commit is one document that is created once, under its session and number, so
 * of two writers at one version one wins, without transactions. A session's record is kept in a document of its own,
 * which lists look at; where a crash left that behind, the next who reads the session brings it up to date.
 *
 * What a session's `expiresAt` ends is removed by `sweep()`; a TTL index would delete only half of it.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where MongoDB
 *   does not answer or refuses, STORE_CORRUPT where another program wrote to the collections, MIGRATION_REQUIRED where
 *   they are of a newer release.
 * @example
 * ```ts
 * import { mongodbStore } from "holdfast/mongodb";
 * const store = mongodbStore({ url: "mongodb://app:secret@db1,db2,db3/chat?replicaSet=rs0", durability: "replicated" });
 * ```
 */
export function mongodbStore(options: MongodbStoreOptions): SessionStore {
  const { migrate = "auto", durability = "disk", timeoutMs = DEFAULT_TIMEOUT_MS, watch = "push" } = options;
  const names = collectionNames(options.collections);
  if (!["auto", "manual"].includes(migrate)) throw invalidArgument('migrate must be "auto" or "manual"');
  if (!["disk", "replicated"].includes(durability))
    throw invalidArgument('durability must be "disk" or "replicated"');
  if (watch !== "push" && watch !== "poll") throw invalidArgument('watch must be "push" or "poll"');
  if (!(Number.isSafeInteger(timeoutMs) && timeoutMs > 0))
    throw invalidArgument("timeoutMs must be a whole number of milliseconds, 1 or more");
  const connect = connectorOf(options, timeoutMs);
  const capabilities: StoreCapabilities = {
    durability,
    search: "fulltext",
    watch,
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: "many",
  };
  const open = async (): Promise<DocumentEngine> => {
    const { database, close } = await connect();
    const collections = openCollections(database, names, timeoutMs);
    const check = async (): Promise<void> => void (await readVersion(collections));
    return {
      driver: mongodbDriver(collections),
      migrate: () => migrateSchema(database, collections),
      check,
      changes: (life) => changesOf(collections.commits, life),
      async prepare() {
        const version = await readVersion(collections);
        if (version > 0) return;
        if (migrate === "manual") throw unmigrated();
        await migrateSchema(database, collections);
      },
      async ping() {
        await database.command({ ping: 1 }, { readPreference: "primary" });
      },
      close,
    };
  };
  return documentStore({ name: NAME, capabilities, open, toHoldfastError });
}

function connectorOf(options: MongodbStoreOptions, timeoutMs: number): () => Promise<OpenedDatabase> {
  const { client, url, database } = options;
  const keep = async (): Promise<void> => undefined;
  if (client !== undefined) {
    if (url !== undefined) throw invalidArgument("give mongodbStore either client or url, not both");
    if (typeof client !== "object" || client === null || typeof client.db !== "function")
      throw invalidArgument("mongodbStore's client must be a MongoClient of the package mongodb");
    const name = checkDatabase(database);
    return async () => ({ database: client.db(name), close: keep });
  }
  if (url !== undefined) {
    if (typeof url !== "string" || !/^mongodb(\+srv)?:\/\//.test(url))
      throw invalidArgument("mongodbStore's url must begin with mongodb:// or mongodb+srv://");
    const name = checkDatabase(database);
    return () => openUrl(url, name, timeoutMs);
  }
  if (typeof database !== "object" || database === null || typeof database.collection !== "function")
    throw invalidArgument(
      "mongodbStore needs a client of the package mongodb, its database, or a url such as mongodb://localhost:27017/app",
    );
  return async () => ({ database, close: keep });
}

/** @see https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions */
function checkDatabase(name: unknown): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name === "string" && /^[^/\\. "$*<>:|?\0]{1,63}$/.test(name)) return name;
  throw invalidArgument(
    'database must be a name of 1 to 63 characters without spaces and without any of / \\ . " $ * < > : | ?',
  );
}

function unmigrated(): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    'the MongoDB collections of the store are not there yet and migrate is "manual"; call store.migrate(), or run "holdfast migrate"',
    { store: NAME },
  );
}
