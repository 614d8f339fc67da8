/**
 * @module
 * The official driver, as far as it is used.
 */
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { NAME } from "./errors.ts";

/** What is used of a `MongoClient`. */
export interface MongodbClient {
  db(name?: string): MongodbDatabase;
}

/** What is used of a `Db`. */
export interface MongodbDatabase {
  collection(name: string, options?: object): MongodbCollection;
  command(command: object, options?: object): Promise<object>;
}

export interface MongodbCollection {
  readonly collectionName: string;
  find(filter: object, options?: object): MongodbCursor;
  insertOne(document: object, options?: object): Promise<object>;
  insertMany(documents: readonly object[], options?: object): Promise<object>;
  updateOne(filter: object, update: object, options?: object): Promise<{ readonly matchedCount: number }>;
  updateMany(filter: object, update: object, options?: object): Promise<object>;
  deleteOne(filter: object, options?: object): Promise<{ readonly deletedCount: number }>;
  deleteMany(filter: object, options?: object): Promise<{ readonly deletedCount: number }>;
  createIndexes(indexes: object[], options?: object): Promise<unknown>;
  indexes(): Promise<unknown[]>;
  watch(pipeline: object[], options?: object): MongodbChangeStream;
}

export interface MongodbChangeStream {
  next(): Promise<unknown>;
  close(): Promise<void>;
}

export interface MongodbCursor extends AsyncIterable<unknown> {
  toArray(): Promise<unknown[]>;
}

export interface OpenedDatabase {
  readonly database: MongodbDatabase;
  close(): Promise<void>;
}

/**
 * A client of the store's own, and the database that the URL names.
 *
 * @throws STORE_UNAVAILABLE where the package mongodb is not installed. INVALID_ARGUMENT for a URL that is none.
 */
export async function openUrl(
  url: string,
  database: string | undefined,
  timeoutMs: number,
): Promise<OpenedDatabase> {
  const { MongoClient } = await import("mongodb").catch((error: unknown) => {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `mongodbStore({ url }) needs the package mongodb: npm install mongodb, or pass a client of your own (${messageOf(error)})`,
      { store: NAME, retryable: false },
    );
  });
  const client = makeClient(
    () =>
      new MongoClient(url, {
        serverSelectionTimeoutMS: timeoutMs,
        connectTimeoutMS: timeoutMs,
        socketTimeoutMS: timeoutMs,
      }),
  );
  try {
    await client.connect();
  } catch (error) {
    // A client whose first connection failed stays unusable: the next call makes another one.
    await client.close();
    throw error;
  }
  return { database: client.db(database ?? databaseOf(url)), close: () => client.close() };
}

function makeClient<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    // The driver quotes parts of the URL, which may be of the password.
    const name = error instanceof Error ? error.name : "";
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `the url of mongodbStore is not one that the driver takes (${name}); see https://www.mongodb.com/docs/manual/reference/connection-string/, and percent-encode user and password`,
      { store: NAME },
    );
  }
}

const DEFAULT_DATABASE = "holdfast";

/** The database that a connection string names, else `"holdfast"`. */
function databaseOf(url: string): string {
  const name = /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^?]+)/.exec(url)?.[1];
  return name === undefined ? DEFAULT_DATABASE : decodeURIComponent(name);
}
