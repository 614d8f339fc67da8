/**
 * @module
 * FerretDB, which speaks MongoDB's protocol, over PostgreSQL, through the official driver.
 */
import { MongoClient } from "mongodb";
import { mongodbStore } from "../../src/stores/mongodb.ts";
import { missingFerret, startFerret } from "../../test/engines/ferretdb-server.ts";
import type { BenchServer } from "./server.ts";

/** FerretDB 1.24 takes a connection to PostgreSQL for each update of a command, and hangs where it has no more. */
const UPDATES_AT_ONCE = 16;

interface FloorSession {
  readonly _id: string;
  readonly version: number;
  readonly updatedAt: number;
}

export async function mongodbBench(): Promise<BenchServer | undefined> {
  const missing = missingFerret();
  if (missing !== undefined) {
    console.log(`left out: ${missing}`);
    return undefined;
  }
  const server = await startFerret();
  const client = new MongoClient(server.url);
  const database = client.db("floor");
  const sessions = database.collection<FloorSession>("sessions");
  const entries = database.collection<{ _id: string; at: number; message: string }>("entries");
  const versions = new Map<string, number>();
  const write = { writeConcern: { w: "majority", journal: true } } as const;
  return {
    name: "mongodb (FerretDB 1.24)",
    store: mongodbStore({ client, database: "holdfast" }),
    // Each look-up of FerretDB 1.24 reads the whole collection, by `_id` too.
    counts: { long: 300, longest: 500, sessions: 500 },
    floor: {
      what: "guarded updateOne, insertOne",
      async create(id) {
        await sessions.insertOne({ _id: id, version: 0, updatedAt: Date.now() }, write);
      },
      async append(id, message) {
        const version = versions.get(id) ?? 0;
        const change = { $set: { version: version + 1, updatedAt: Date.now() } };
        const { modifiedCount } = await sessions.updateOne({ _id: id, version }, change, write);
        if (modifiedCount !== 1) throw new Error(`${id} was changed by another writer`);
        const entry = { _id: `${id}/${version + 1}`, at: Date.now(), message: JSON.stringify(message) };
        await entries.insertOne(entry, write);
        versions.set(id, version + 1);
      },
      async appendToAll(ids, message) {
        const text = JSON.stringify(message);
        const updates = ids.map((id) => ({
          updateOne: {
            filter: { _id: id, version: versions.get(id) ?? 0 },
            update: { $set: { version: (versions.get(id) ?? 0) + 1, updatedAt: Date.now() } },
          },
        }));
        for (let start = 0; start < updates.length; start += UPDATES_AT_ONCE)
          await sessions.bulkWrite(updates.slice(start, start + UPDATES_AT_ONCE), write);
        for (const id of ids) versions.set(id, (versions.get(id) ?? 0) + 1);
        await entries.insertMany(
          ids.map((id) => ({ _id: `${id}/${versions.get(id)}`, at: Date.now(), message: text })),
          write,
        );
      },
    },
    async stop() {
      await client.close();
      await server.stop();
    },
  };
}
