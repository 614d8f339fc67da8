/**
 * The PostgreSQL store and the SQLite store through a Prisma client of yours, in its own transactions or in one of yours.
 *
 * @module holdfast/prisma
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { prismaStore } from "holdfast/prisma";
 * import { prisma } from "./db.ts";
 *
 * const sessions = createSessions({ store: prismaStore({ prisma }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import type { SessionStore } from "../store/store.ts";
import { postgresStore } from "./postgres.ts";
import type { PrismaClient, PrismaProvider } from "./prisma/client.ts";
import { checkClient, isRoot, providerOf } from "./prisma/client.ts";
import { overPrisma } from "./prisma/postgres.ts";
import { overPrismaSqlite } from "./prisma/sqlite.ts";
import type { SqlColumns } from "./sql/columns.ts";
import type { SqlTables } from "./sql/names.ts";
import { tablesOf } from "./sql/tables.ts";
import { createAsyncConnection } from "./sqlite/async-connection.ts";
import { AS_ONE_TYPE } from "./sqlite/entries.ts";
import { checkSettings } from "./sqlite/settings.ts";
import { capabilitiesOf, storeOver } from "./sqlite/store.ts";

export type { PrismaClient, PrismaProvider } from "./prisma/client.ts";
export type { EntryColumn, SessionColumn, SqlColumns } from "./sql/columns.ts";
export type { SqlTables } from "./sql/names.ts";

export interface PrismaStoreOptions {
  /**
   * A `PrismaClient` with a driver adapter; `close()` leaves it connected. Or the client that the callback of
   * `prisma.$transaction` is given: then all that the store does is part of that transaction, and kept or undone with it.
   * Make a store, and sessions, for each transaction: they must not outlive it.
   */
  readonly prisma: PrismaClient;
  /** The `provider` of your schema. Default: what the client says. */
  readonly provider?: PrismaProvider;
  /** Other names for tables and view. Default: `holdfast_sessions`, `holdfast_entries`, `holdfast_meta`, … */
  readonly tables?: Partial<SqlTables>;
  /** Other names for columns: `{ sessions: { user_id: "userId" } }`. Those of the search index and of `meta` stay. */
  readonly columns?: SqlColumns;
  /** Whether the first use makes and updates the tables, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
  /** PostgreSQL only: the schema of the tables. Default: the first one of the connection's `search_path`. */
  readonly schema?: string;
  /** SQLite only, as in `sqliteStore`: `"full"` survives a power cut. Default `"full"`. */
  readonly durability?: "full" | "normal";
  /** SQLite only: how long to wait while another process, or a transaction of yours, has the database. Default 5000. */
  readonly busyTimeoutMs?: number;
}

/**
 * Keeps sessions in the database of a Prisma client. On PostgreSQL a batch of commits is one statement; on SQLite it is
 * one interactive transaction. What is atomic and durable is as in `postgresStore` and `sqliteStore`, whose tables these
 * are: one database can be used through all of them at once.
 *
 * @throws INVALID_ARGUMENT for options that make no sense, and for a provider that is neither. Calls on the store reject
 *   as those of `postgresStore` and `sqliteStore` do. Within a transaction of yours on PostgreSQL, STORE_UNAVAILABLE means
 *   that the transaction is lost: run the whole of it again.
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * import { prismaStore } from "holdfast/prisma";
 * import { prisma } from "./db.ts";
 *
 * await prisma.$transaction(async (tx) => {
 *   const sessions = createSessions({ store: prismaStore({ prisma: tx }) });
 *   const session = await sessions.open("support-7");
 *   await session.append({ role: "assistant", content: "I have ordered it." });
 *   await tx.order.create({ data: { item: "kettle" } });
 * });
 * ```
 * @see https://www.prisma.io/docs/orm/prisma-client/queries/transactions#interactive-transactions
 */
export function prismaStore(options: PrismaStoreOptions): SessionStore {
  const { prisma, schema, tables, columns, migrate = "auto", durability, busyTimeoutMs } = options;
  checkClient(prisma);
  if (providerOf(prisma, options.provider) === "postgresql") {
    if (durability !== undefined || busyTimeoutMs !== undefined)
      throw invalidArgument("durability and busyTimeoutMs are for SQLite, and this client is of PostgreSQL");
    const where = {
      ...(schema !== undefined && { schema }),
      ...(tables && { tables }),
      ...(columns && { columns }),
    };
    return postgresStore({ client: overPrisma(prisma), migrate, watch: "poll", ...where });
  }
  if (schema !== undefined) throw invalidArgument("SQLite has no schemas: leave out schema, or name tables");
  const settings = checkSettings({ migrate, durability, busyTimeoutMs });
  const names = tablesOf({ tables, columns });
  const connection = createAsyncConnection({
    ...settings,
    client: overPrismaSqlite(prisma, settings.busyTimeoutMs),
    what: "the SQLite database of the Prisma client",
    tables: names,
  });
  const capabilities = capabilitiesOf({
    // Of a transaction of yours, your settings decide what it survives.
    durability: settings.durability === "full" && isRoot(prisma) ? "disk" : "os",
    isFullText: true,
    isShared: true,
  });
  return storeOver({ connection, tables: names, capabilities, reading: AS_ONE_TYPE, remembers: false });
}
