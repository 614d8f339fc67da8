/**
 * @module
 * How the conformance suite gets at the MongoDB store.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Db, MongoClient } from "mongodb";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { FerretServer } from "../engines/ferretdb-server.ts";
import type { MongodbLocation, OpenedMongodb } from "./mongodb-open.ts";
import { openMongodb } from "./mongodb-open.ts";

const WRITER_PROCESS = fileURLToPath(new URL("mongodb-writer-process.ts", import.meta.url));
const run = promisify(execFile);

let databases = 0;

/** The store on the server, or the namespace of it that `namespaces` leads to. A restart kills the server with SIGKILL. */
export function mongodbHarness(
  serverOf: () => FerretServer,
  by: MongodbLocation["by"],
  ...namespaces: string[]
): ConformanceHarness {
  let opened: OpenedMongodb[] = [];
  let database = "";
  const location = (): MongodbLocation => ({ by, url: serverOf().url, database, namespaces });
  const connect = async (): Promise<SessionStore> => {
    const connection = openMongodb(location());
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    for (const { close } of opened) await close();
    opened = [];
  };
  return {
    async open() {
      databases += 1;
      database = `case${databases}`;
      return connect();
    },
    openSecond: connect,
    async restart() {
      await closeAll();
      await serverOf().kill();
      await serverOf().start();
      return connect();
    },
    async runWriter(task) {
      const args = [WRITER_PROCESS, JSON.stringify(location()), JSON.stringify(task)];
      const { stdout } = await run(process.execPath, args);
      return JSON.parse(stdout);
    },
    residue: (needle) => withDatabase(serverOf(), database, (raw) => placesOf(raw, needle)),
    async destroy() {
      await closeAll();
      await withDatabase(serverOf(), database, (raw) => raw.dropDatabase());
    },
  };
}

export async function withDatabase<T>(
  { url }: FerretServer,
  name: string,
  work: (raw: Db) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(url);
  try {
    return await work(client.db(name));
  } finally {
    await client.close();
  }
}

/** The documents that hold `needle` anywhere, in upper or lower case. */
export async function placesOf(raw: Db, needle: string): Promise<string[]> {
  const places: string[] = [];
  for (const { collectionName } of await raw.collections()) {
    for (const document of await raw.collection(collectionName).find().toArray()) {
      const held = JSON.stringify(document).toLowerCase();
      if (held.includes(needle.toLowerCase())) places.push(`${collectionName} ${String(document._id)}`);
    }
  }
  return places;
}
