/**
 * @module
 * How a database comes to have the tables, and what is there.
 */
import { createHash } from "node:crypto";
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import type { SqlTables } from "../sql/names.ts";
import { backtickName } from "../sql/names.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import { tooNew } from "../sql/versions.ts";
import type { Executor, Session } from "./client.ts";
import { NAME } from "./errors.ts";
import { COLUMNS, firstVersion } from "./tables.ts";
import { placeholders } from "./values.ts";

export const SCHEMA_VERSION = 1;
const LOCK_TIMEOUT_SECONDS = 60;

const { number, text } = rowReader(NAME);

const KINDS = ["sessions", "entries", "search", "meta", "messages"] as const;

/**
 * What is in the database: the version of its schema, 0 where there is none.
 *
 * @throws MIGRATION_REQUIRED where it is newer than this code, INVALID_ARGUMENT where a table of one of our names is
 *   somebody else's, STORE_CORRUPT where a column of ours is gone.
 */
export async function schemaVersion(executor: Pick<Executor, "query">, tables: SqlTables): Promise<number> {
  const { rows } = await executor.query(
    `SELECT TABLE_NAME AS name, COLUMN_NAME AS field FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ${placeholders(KINDS.length)}`,
    KINDS.map((kind) => tables[kind]),
  );
  const fields = new Map<string, Set<string>>();
  for (const row of rows) {
    const table = text(row, "name");
    fields.set(table, (fields.get(table) ?? new Set()).add(text(row, "field").toLowerCase()));
  }
  // Some servers keep names in lower case.
  const fieldsOf = (kind: (typeof KINDS)[number]): ReadonlySet<string> | undefined =>
    fields.get(tables[kind]) ?? fields.get(tables[kind].toLowerCase());
  const missing = (kind: keyof typeof COLUMNS): string[] =>
    COLUMNS[kind].split(" ").filter((field) => !fieldsOf(kind)?.has(field));
  const taken = KINDS.find((kind) => fieldsOf(kind));
  if (taken === undefined) return 0;
  if (missing("meta").length > 0) {
    throw invalidArgument(
      `the database has a table ${tables[taken]} that is not Holdfast's; nothing was changed: name other tables with the option "tables", or use another database`,
    );
  }
  const version = versionIn((await executor.query(versionQuery(tables))).rows);
  if (version > SCHEMA_VERSION) throw tooNew(NAME, version, SCHEMA_VERSION);
  for (const kind of ["sessions", "entries", "search"] as const) {
    const gone = missing(kind);
    // A migration that broke off has made some of the tables, each as a whole.
    if (gone.length === 0 || (version < SCHEMA_VERSION && fieldsOf(kind) === undefined)) continue;
    throw new HoldfastError(
      "STORE_CORRUPT",
      `table ${tables[kind]} lacks ${gone.join(", ")}, which schema version ${SCHEMA_VERSION} has; nothing was changed: restore a backup, or name other tables with the option "tables"`,
      { store: NAME },
    );
  }
  return version;
}

function versionQuery({ meta }: SqlTables): string {
  return `SELECT value FROM ${backtickName(meta)} WHERE name = X'${Buffer.from("schema_version").toString("hex")}'`;
}

function versionIn([row]: readonly Row[]): number {
  return row ? number(row, "value") : 0;
}

/**
 * Brings the schema up to date, while any other that does the same waits; what was done, a line each, and the version
 * before. The server commits each statement by itself, so each can be run again; the version is written last.
 */
export async function migrate(
  executor: Executor,
  tables: SqlTables,
): Promise<{ from: number; steps: string[] }> {
  return executor.hold(async (session, discard) => {
    const lock = await takeLock(session, tables);
    try {
      const from = await schemaVersion(session, tables);
      if (from >= SCHEMA_VERSION) return { from, steps: [] };
      for (const statement of firstVersion(tables)) await session.query(statement);
      await session.query(
        `INSERT INTO ${backtickName(tables.meta)} (name, value) VALUES (?, ?)`,
        ["schema_version", String(SCHEMA_VERSION)].map((value) => Buffer.from(value)),
      );
      const { sessions, entries, search, meta, messages } = tables;
      const title = `version 1: made ${sessions}, ${entries}, ${search}, ${meta} and the view ${messages}`;
      return { from, steps: [title] };
    } finally {
      // Where it can't be released, it goes with the connection.
      await session.query("SELECT RELEASE_LOCK(?) AS released", [lock]).catch(discard);
    }
  });
}

/** A lock of the server that others who migrate the same tables wait for; it goes with the connection. */
async function takeLock(session: Session, { meta }: SqlTables): Promise<string> {
  const [current] = (await session.query("SELECT HEX(LOWER(DATABASE())) AS name")).rows;
  const name = `${String(current?.name)}.${meta}`.toLowerCase();
  // Names of locks may be 64 characters long, and are shared by all databases.
  const lock = `holdfast:${createHash("sha256").update(name).digest("hex").slice(0, 40)}`;
  const { rows } = await session.query("SELECT GET_LOCK(?, ?) AS taken", [lock, LOCK_TIMEOUT_SECONDS]);
  if (rows[0] && Number(rows[0].taken) === 1) return lock;
  throw new HoldfastError(
    "STORE_UNAVAILABLE",
    `another process has migrated the same tables for ${LOCK_TIMEOUT_SECONDS} seconds and nothing was done here; try again`,
    { store: NAME },
  );
}
