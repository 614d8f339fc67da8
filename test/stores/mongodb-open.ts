/**
 * @module
 * Opens the MongoDB store by a description that is plain JSON, so that another process can open the same one.
 */
import { MongoClient } from "mongodb";
import type { SessionStore } from "../../src/store/store.ts";
import { mongodbStore } from "../../src/stores/mongodb.ts";

export interface MongodbLocation {
  /** How the store is given the server: a client, a database of one, or a URL. */
  readonly by: "client" | "database" | "url";
  readonly url: string;
  readonly database: string;
  /** Namespaces, outermost first. */
  readonly namespaces: readonly string[];
}

export interface OpenedMongodb {
  readonly store: SessionStore;
  /** Closes the store and the client that was opened for it. Safe to repeat. */
  close(): Promise<void>;
}

export function openMongodb({ by, url, database, namespaces }: MongodbLocation): OpenedMongodb {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000 });
  const root =
    by === "url"
      ? mongodbStore({ url, database })
      : mongodbStore(by === "client" ? { client, database } : { database: client.db(database) });
  return {
    store: namespaces.reduce((view, name) => view.namespace(name), root),
    async close() {
      await root.close();
      await client.close();
    },
  };
}
