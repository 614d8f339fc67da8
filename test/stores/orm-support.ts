/**
 * @module
 * How the conformance suite gets at stores over Prisma and Drizzle: a schema or a file of its own for each case.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { PostgresClient } from "../../src/stores/postgres/client.ts";
import { placesIn } from "./harnesses.ts";
import type { OpenedStore } from "./open-store.ts";
import type { OrmKind, OrmLocation } from "./orm-open.ts";
import { openOrm } from "./orm-open.ts";
import { dropSchema, newSchema, placesOf } from "./postgres-support.ts";

const WRITER_PROCESS = fileURLToPath(new URL("orm-writer-process.ts", import.meta.url));
const run = promisify(execFile);

/** Storage for a case, and how to look into it. */
interface Place {
  readonly location: OrmLocation;
  residue(needle: string): Promise<string[]>;
  remove(): Promise<void>;
}

/** Where in the storage of a case the store is, and what it calls its tables and columns. */
type Within = Pick<OrmLocation, "namespaces" | "isRenamed">;

const AT_ROOT: Within = { namespaces: [] };

/** In schemas of a server's database. `client` is for looking on. */
export function ormPostgresHarness(
  kind: OrmKind,
  url: string,
  client: PostgresClient,
  within = AT_ROOT,
): ConformanceHarness {
  return harnessOf(async () => {
    const schema = newSchema();
    return {
      location: { kind, url, schema, ...within },
      residue: (needle) => placesOf(client, schema, needle),
      remove: () => dropSchema(client, schema),
    };
  });
}

/** In files of folders of their own. */
export function ormSqliteHarness(kind: OrmKind, within = AT_ROOT): ConformanceHarness {
  return harnessOf(async () => {
    const folder = await mkdtemp(join(tmpdir(), `holdfast-${kind}-`));
    return {
      location: { kind, url: `file:${folder}/sessions.db`, ...within },
      residue: (needle) => placesIn(folder, needle),
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  });
}

function harnessOf(make: () => Promise<Place>): ConformanceHarness {
  let place: Place | undefined;
  let opened: OpenedStore[] = [];
  const current = (): Place => {
    if (!place) throw new Error("nothing is open");
    return place;
  };
  const connect = async (): Promise<SessionStore> => {
    const connection = await openOrm(current().location);
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map(({ close }) => close()));
    opened = [];
  };
  return {
    async open() {
      place = await make();
      return connect();
    },
    openSecond: connect,
    async restart() {
      await closeAll();
      return connect();
    },
    async runWriter(task) {
      const args = [WRITER_PROCESS, JSON.stringify(current().location), JSON.stringify(task)];
      const { stdout } = await run(process.execPath, args);
      return JSON.parse(stdout);
    },
    residue: (needle) => current().residue(needle),
    async destroy() {
      await closeAll();
      await place?.remove();
      place = undefined;
    },
  };
}
