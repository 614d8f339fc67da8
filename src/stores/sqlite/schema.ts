/**
 * @module
 * The tables, and how a database comes to have them. Past versions are frozen as fixtures in `test/stores/fixtures`.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import type { SqlTables } from "../sql/names.ts";
import { quoteName } from "../sql/names.ts";
import type { Sql } from "./connection.ts";
import { integer, text } from "./driver.ts";
import { NAME } from "./errors.ts";

export const SCHEMA_VERSION = 1;

interface Migration {
  readonly to: number;
  readonly title: string;
  readonly sql: string;
}

/** The keys of the meta table. */
export const META = {
  schemaVersion: "schema_version",
  indexedUpTo: "search_indexed_up_to",
  fold: "search_fold",
  isScrubbing: "search_scrub",
} as const;

const COLUMNS: Readonly<Record<"sessions" | "entries" | "meta", readonly string[]>> = {
  sessions: [
    "key",
    "namespace",
    "id",
    "version",
    "seq",
    "kind",
    "status",
    "user_id",
    "agent",
    "parent_id",
    "label",
    "created_at",
    "updated_at",
    "expires_at",
    "record",
  ],
  entries: ["position", "session_key", "seq", "type", "at", "id", "commit_id", "text", "data"],
  meta: ["key", "value"],
};

/**
 * - Sessions have a number as key, so that entries and indexes stay small; it is never used again (AUTOINCREMENT), so
 *   nothing of a removed session can fall to another one.
 * - The indexes of a list hold the version and the expiry, so that a list of records that are known already reads
 *   nothing but the index. `_created` holds no version: it is not written by an append.
 * - An entry's position is its row id: it grows with each commit of any session, and is what search orders by.
 * - Only callers' ids are indexed, by a partial index, which an append without one does not touch.
 */
function firstVersion(tables: SqlTables): string {
  const { sessions, entries, meta, messages } = tables;
  return `
CREATE TABLE ${quoteName(sessions)} (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  user_id TEXT,
  agent TEXT,
  parent_id TEXT,
  label TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  record TEXT NOT NULL,
  UNIQUE (namespace, id)
);
CREATE INDEX ${quoteName(`${sessions}_updated`)} ON ${quoteName(sessions)} (namespace, status, updated_at, id, version, expires_at);
CREATE INDEX ${quoteName(`${sessions}_user`)} ON ${quoteName(sessions)} (namespace, user_id, status, updated_at, id, version, expires_at) WHERE user_id IS NOT NULL;
CREATE INDEX ${quoteName(`${sessions}_created`)} ON ${quoteName(sessions)} (namespace, status, created_at, id);
CREATE INDEX ${quoteName(`${sessions}_parent`)} ON ${quoteName(sessions)} (namespace, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ${quoteName(`${sessions}_expires`)} ON ${quoteName(sessions)} (namespace, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE ${quoteName(entries)} (
  position INTEGER PRIMARY KEY,
  session_key INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  id,
  commit_id TEXT,
  text TEXT,
  data TEXT NOT NULL
);
CREATE UNIQUE INDEX ${quoteName(`${entries}_seq`)} ON ${quoteName(entries)} (session_key, seq);
CREATE UNIQUE INDEX ${quoteName(`${entries}_id`)} ON ${quoteName(entries)} (session_key, id) WHERE id IS NOT NULL;

CREATE TABLE ${quoteName(meta)} (key TEXT PRIMARY KEY, value NUMERIC) WITHOUT ROWID;

CREATE VIEW ${quoteName(messages)} AS
SELECT
  s.id AS session,
  e.seq AS seq,
  e.data ->> '$.message.role' AS role,
  CASE json_type(e.data, '$.message.content')
    WHEN 'text' THEN e.data ->> '$.message.content'
    ELSE (
      SELECT group_concat(CASE part.type WHEN 'object' THEN part.value ->> '$.text' WHEN 'text' THEN part.value END, char(10))
      FROM json_each(e.data, iif(json_type(e.data, '$.message.content') = 'array', '$.message.content', '$.message.parts')) AS part
    )
  END AS text,
  e.at AS at,
  s.namespace AS namespace
FROM ${quoteName(entries)} AS e JOIN ${quoteName(sessions)} AS s ON s.key = e.session_key
WHERE e.type = 'message';
`;
}

function migrationsOf(tables: SqlTables): readonly Migration[] {
  const { sessions, entries, meta, messages } = tables;
  return [
    {
      to: 1,
      title: `made ${sessions}, ${entries}, ${meta} and the view ${messages}`,
      sql: firstVersion(tables),
    },
  ];
}

/**
 * The version of the schema in the database, 0 where there is none.
 *
 * @throws MIGRATION_REQUIRED where it is newer than this code, INVALID_ARGUMENT where a table of one of our names is
 *   somebody else's, STORE_CORRUPT where a column of ours is gone.
 */
export function schemaVersion(sql: Sql, tables: SqlTables): number {
  const names = [tables.sessions, tables.entries, tables.meta, tables.messages];
  const found = new Set(
    sql
      .all(
        `SELECT lower(name) AS name FROM sqlite_schema WHERE lower(name) IN (${names.map(() => "lower(?)").join(", ")})`,
        ...names,
      )
      .map((row) => text(row, "name")),
  );
  if (found.size === 0) return 0;
  const missing = (table: "sessions" | "entries" | "meta"): string[] => {
    const columns = new Set(
      sql.all(`PRAGMA table_info(${quoteName(tables[table])})`).map((row) => text(row, "name")),
    );
    return COLUMNS[table].filter((column) => !columns.has(column));
  };
  const taken = names.find((name) => found.has(name.toLowerCase()));
  if (!found.has(tables.meta.toLowerCase()) || missing("meta").length > 0) {
    throw invalidArgument(
      `the database has a table ${taken} that is not Holdfast's; nothing was changed: name other tables with the option "tables"`,
    );
  }
  const row = sql.get(`SELECT value FROM ${quoteName(tables.meta)} WHERE key = ?`, META.schemaVersion);
  const version = row ? integer(row, "value") : 0;
  if (version > SCHEMA_VERSION) {
    throw new HoldfastError(
      "MIGRATION_REQUIRED",
      `the database has schema version ${version} and this release of Holdfast knows versions up to ${SCHEMA_VERSION}; nothing was changed: upgrade holdfast`,
      { store: NAME },
    );
  }
  if (version === SCHEMA_VERSION) {
    for (const table of ["sessions", "entries"] as const) {
      const gone = missing(table);
      if (gone.length === 0) continue;
      throw new HoldfastError(
        "STORE_CORRUPT",
        `table ${tables[table]} lacks ${gone.join(", ")}, which schema version ${version} has; nothing was changed: restore a backup, or name other tables with the option "tables"`,
        { store: NAME },
      );
    }
  }
  return version;
}

/** Brings the schema up to date within the transaction that is open; what was done, a line each. */
export function migrate(sql: Sql, tables: SqlTables, from: number): string[] {
  const steps = migrationsOf(tables).filter(({ to }) => to > from);
  for (const step of steps) sql.exec(step.sql);
  sql.run(
    `INSERT INTO ${quoteName(tables.meta)} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    META.schemaVersion,
    SCHEMA_VERSION,
  );
  return steps.map(({ to, title }) => `version ${to}: ${title}`);
}

/** An error for a first use where migrations are left to the user. */
export function migrationRequired(version: number): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    `the database has ${version === 0 ? "no Holdfast tables" : `schema version ${version}`} and needs version ${SCHEMA_VERSION}; call store.migrate() or run "holdfast migrate", or leave out migrate: "manual"`,
    { store: NAME },
  );
}
