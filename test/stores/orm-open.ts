/**
 * @module
 * Opens a store over Prisma or Drizzle by a description that is plain JSON, so that another process can open the same.
 */
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import Database from "better-sqlite3";
import { drizzle as drizzleSqlite } from "drizzle-orm/better-sqlite3";
import { drizzle as drizzlePg } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePostgresJs } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { SessionStore } from "../../src/store/store.ts";
import { drizzleStore } from "../../src/stores/drizzle.ts";
import { prismaStore } from "../../src/stores/prisma.ts";
import { poolOf } from "../engines/pool.ts";
import { prismaClient } from "../engines/prisma-client.ts";
import type { OpenedStore } from "./open-store.ts";
import { RENAMED } from "./orm-names.ts";

export type OrmKind = "prisma" | "drizzle" | "drizzle-postgres.js";

export interface OrmLocation {
  readonly kind: OrmKind;
  /** Of a server, or `file:` and the path of a database of SQLite. */
  readonly url: string;
  /** PostgreSQL only. */
  readonly schema?: string;
  readonly namespaces: readonly string[];
  /** Whether tables and columns have the names of {@link RENAMED}. */
  readonly isRenamed?: boolean;
}

export async function openOrm(location: OrmLocation): Promise<OpenedStore> {
  const { store, end } = location.url.startsWith("file:")
    ? await openSqlite(location)
    : await openPg(location);
  let isOpen = true;
  return {
    store: location.namespaces.reduce((view, name) => view.namespace(name), store),
    async close() {
      await store.close();
      if (isOpen) await end();
      isOpen = false;
    },
  };
}

interface Opened {
  readonly store: SessionStore;
  end(): Promise<unknown>;
}

async function openPg({ kind, url, schema = "public", isRenamed }: OrmLocation): Promise<Opened> {
  const names = { schema, ...(isRenamed && RENAMED) };
  if (kind === "drizzle-postgres.js") {
    const sql = postgres(url, { max: 4, onnotice: () => undefined });
    return { store: drizzleStore({ db: drizzlePostgresJs(sql), ...names }), end: () => sql.end() };
  }
  if (kind === "drizzle") {
    const pool = poolOf({ connectionString: url, max: 4 });
    return { store: drizzleStore({ db: drizzlePg(pool), ...names }), end: () => pool.end() };
  }
  const client = await prismaClient("postgresql", new PrismaPg({ connectionString: url, max: 4 }));
  return { store: prismaStore({ prisma: client, ...names }), end: () => client.$disconnect() };
}

async function openSqlite({ kind, url, isRenamed }: OrmLocation): Promise<Opened> {
  const names = isRenamed ? RENAMED : {};
  if (kind === "drizzle") {
    const database = new Database(url.slice("file:".length), { timeout: 0 });
    return {
      store: drizzleStore({ db: drizzleSqlite(database), ...names }),
      end: async () => database.close(),
    };
  }
  const client = await prismaClient("sqlite", new PrismaBetterSqlite3({ url, timeout: 0 }));
  return { store: prismaStore({ prisma: client, ...names }), end: () => client.$disconnect() };
}
