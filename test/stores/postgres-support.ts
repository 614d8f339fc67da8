/**
 * @module
 * PostgreSQL for tests: a schema of its own for each case, on PGlite or on a server.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { PostgresClient } from "../../src/stores/postgres/client.ts";
import { executorOf } from "../../src/stores/postgres/client.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import type { LocatedHarness } from "./harnesses.ts";
import type { OpenedStore, PostgresLocation } from "./open-store.ts";
import { openStore } from "./open-store.ts";

const WRITER_PROCESS = fileURLToPath(new URL("writer-process.ts", import.meta.url));
const run = promisify(execFile);

export function newSchema(): string {
  return `test_${randomBytes(6).toString("hex")}`;
}

/** Collects the positions that a watch yields, until it ends; `done` is what it rejects with. */
export function follow(
  store: SessionStore,
  id: string,
  abort = new AbortController(),
): { readonly seqs: number[]; readonly done: Promise<unknown> } {
  const seqs: number[] = [];
  const watch = async (): Promise<void> => {
    if (!store.watch) throw new Error("the store can't watch");
    for await (const { seq } of store.watch(id, 0, abort.signal)) seqs.push(seq);
  };
  return { seqs, done: watch().catch((error: unknown) => error) };
}

/** Stores in schemas of one PGlite database, which all connections share. */
export function pgliteHarness(client: PostgresClient, ...namespaces: string[]): ConformanceHarness {
  let schema = "";
  const connect = (): SessionStore =>
    namespaces.reduce((view, name) => view.namespace(name), postgresStore({ client, schema }));
  return {
    async open() {
      schema = newSchema();
      return connect();
    },
    openSecond: async () => connect(),
    residue: (needle) => placesOf(client, schema, needle),
    destroy: () => dropSchema(client, schema),
  };
}

/** Stores in schemas of a server's database, through the driver that `kind` names. `client` is for looking on. */
export function serverHarness(
  kind: PostgresLocation["kind"],
  url: string,
  client: PostgresClient,
  ...namespaces: string[]
): LocatedHarness {
  let location: PostgresLocation = { kind, url, schema: "", namespaces };
  let opened: OpenedStore[] = [];
  const connect = (): SessionStore => {
    const connection = openStore(location);
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map(({ close }) => close()));
    opened = [];
  };
  return {
    async open() {
      location = { ...location, schema: newSchema() };
      return connect();
    },
    openSecond: async () => connect(),
    async restart() {
      await closeAll();
      return connect();
    },
    async runWriter(task) {
      const { stdout } = await run(process.execPath, [
        WRITER_PROCESS,
        JSON.stringify(location),
        JSON.stringify(task),
      ]);
      return JSON.parse(stdout);
    },
    location: () => location,
    residue: (needle) => placesOf(client, location.schema, needle),
    async destroy() {
      await closeAll();
      await dropSchema(client, location.schema);
    },
  };
}

export async function dropSchema(client: PostgresClient, schema: string): Promise<void> {
  await executorOf(client).script(
    `SET client_min_messages = error; DROP SCHEMA IF EXISTS "${schema}" CASCADE`,
  );
}

/** The tables, indexes and rows of `schema` that hold `needle`, in upper or lower case, as it is or in hexadecimal. */
export async function placesOf(client: PostgresClient, schema: string, needle: string): Promise<string[]> {
  const executor = executorOf(client);
  const needles = [needle, Buffer.from(needle).toString("hex")].map((form) => form.toLowerCase());
  const relations = await executor.query(
    "SELECT c.relname::text AS name, c.relkind::text AS kind FROM pg_class AS c WHERE c.relnamespace = to_regnamespace($1)",
    [`"${schema}"`],
  );
  const places: string[] = [];
  for (const { name, kind } of relations) {
    const table = `"${schema}"."${String(name)}"`;
    const rows = kind === "r" ? await executor.query(`SELECT t::text AS row FROM ${table} AS t`, []) : [];
    const held = [String(name), ...rows.map(({ row }) => String(row))].join("\n").toLowerCase();
    if (needles.some((form) => held.includes(form))) places.push(table);
  }
  return places;
}
