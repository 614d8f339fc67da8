/**
 * @module
 * The tables, and how a database comes to have them. Past versions are frozen as fixtures in `test/stores/fixtures`.
 */
import { HoldfastError, invalidArgument } from "../../log/errors.ts";
import { aliased, listed } from "../sql/columns.ts";
import { quoteName } from "../sql/names.ts";
import type { Tables } from "../sql/tables.ts";
import { tooNew } from "../sql/versions.ts";
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

/** What the columns of each table are called. */
function columnsOf({ sessions, entries }: Tables["columnNames"]) {
  const { metadata: _postgresOnly, ...ofSessions } = sessions;
  return { sessions: Object.values(ofSessions), entries: Object.values(entries), meta: ["key", "value"] };
}

/**
 * - Sessions have a number as key, so that entries and indexes stay small; it is never used again (AUTOINCREMENT), so
 *   nothing of a removed session can fall to another one.
 * - The indexes of a list hold the version and the expiry, so that a list of records that are known already reads
 *   nothing but the index. `_created` holds no version: it is not written by an append.
 * - An entry's position is its row id: it grows with each commit of any session, and is what search orders by.
 * - Only callers' ids are indexed, by a partial index, which an append without one does not touch.
 */
function firstVersion(tables: Tables): string {
  const { names, sessions, entries, meta } = tables;
  const { sessions: s, entries: e } = tables.columns;
  const index = (table: string, suffix: string): string => quoteName(`${table}_${suffix}`);
  return `
CREATE TABLE ${sessions} (
  ${s.key} INTEGER PRIMARY KEY AUTOINCREMENT,
  ${s.namespace} TEXT NOT NULL,
  ${s.id} TEXT NOT NULL,
  ${s.version} INTEGER NOT NULL,
  ${s.seq} INTEGER NOT NULL,
  ${s.kind} TEXT NOT NULL,
  ${s.status} TEXT NOT NULL,
  ${s.user_id} TEXT,
  ${s.agent} TEXT,
  ${s.parent_id} TEXT,
  ${s.label} TEXT,
  ${s.created_at} INTEGER NOT NULL,
  ${s.updated_at} INTEGER NOT NULL,
  ${s.expires_at} INTEGER,
  ${s.record} TEXT NOT NULL,
  UNIQUE (${listed(s, "namespace", "id")})
);
CREATE INDEX ${index(names.sessions, "updated")} ON ${sessions} (${listed(s, "namespace", "status", "updated_at", "id", "version", "expires_at")});
CREATE INDEX ${index(names.sessions, "user")} ON ${sessions} (${listed(s, "namespace", "user_id", "status", "updated_at", "id", "version", "expires_at")}) WHERE ${s.user_id} IS NOT NULL;
CREATE INDEX ${index(names.sessions, "created")} ON ${sessions} (${listed(s, "namespace", "status", "created_at", "id")});
CREATE INDEX ${index(names.sessions, "parent")} ON ${sessions} (${listed(s, "namespace", "parent_id")}) WHERE ${s.parent_id} IS NOT NULL;
CREATE INDEX ${index(names.sessions, "expires")} ON ${sessions} (${listed(s, "namespace", "expires_at")}) WHERE ${s.expires_at} IS NOT NULL;

CREATE TABLE ${entries} (
  ${e.position} INTEGER PRIMARY KEY,
  ${e.session_key} INTEGER NOT NULL,
  ${e.seq} INTEGER NOT NULL,
  ${e.type} TEXT NOT NULL,
  ${e.at} INTEGER NOT NULL,
  ${e.id},
  ${e.commit_id} TEXT,
  ${e.text} TEXT,
  ${e.data} TEXT NOT NULL
);
CREATE UNIQUE INDEX ${index(names.entries, "seq")} ON ${entries} (${listed(e, "session_key", "seq")});
CREATE UNIQUE INDEX ${index(names.entries, "id")} ON ${entries} (${listed(e, "session_key", "id")}) WHERE ${e.id} IS NOT NULL;

CREATE TABLE ${meta} (key TEXT PRIMARY KEY, value NUMERIC) WITHOUT ROWID;
${messagesView(tables)}`;
}

function messagesView({ sessions, entries, messages, columns }: Tables): string {
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  return `
CREATE VIEW ${messages} AS
SELECT
  ${s.id} AS session,
  ${e.seq} AS seq,
  ${e.data} ->> '$.message.role' AS role,
  CASE json_type(${e.data}, '$.message.content')
    WHEN 'text' THEN ${e.data} ->> '$.message.content'
    ELSE (
      SELECT group_concat(CASE part.type WHEN 'object' THEN part.value ->> '$.text' WHEN 'text' THEN part.value END, char(10))
      FROM json_each(${e.data}, iif(json_type(${e.data}, '$.message.content') = 'array', '$.message.content', '$.message.parts')) AS part
    )
  END AS text,
  ${e.at} AS at,
  ${s.namespace} AS namespace
FROM ${entries} AS e JOIN ${sessions} AS s ON ${s.key} = ${e.session_key}
WHERE ${e.type} = 'message';
`;
}

function migrationsOf(tables: Tables): readonly Migration[] {
  const { sessions, entries, meta, messages } = tables.names;
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
export function schemaVersion(sql: Sql, tables: Tables): number {
  const { sessions, entries, meta, messages } = tables.names;
  const names = [sessions, entries, meta, messages];
  const expected = columnsOf(tables.columnNames);
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
    const columns = new Set(sql.all(`PRAGMA table_info(${tables[table]})`).map((row) => text(row, "name")));
    return expected[table].filter((column) => !columns.has(column));
  };
  const taken = names.find((name) => found.has(name.toLowerCase()));
  if (!found.has(meta.toLowerCase()) || missing("meta").length > 0) {
    throw invalidArgument(
      `the database has a table ${taken} that is not Holdfast's; nothing was changed: name other tables with the option "tables"`,
    );
  }
  const row = sql.get(`SELECT value FROM ${tables.meta} WHERE key = ?`, META.schemaVersion);
  const version = row ? integer(row, "value") : 0;
  if (version > SCHEMA_VERSION) throw tooNew(NAME, version, SCHEMA_VERSION);
  if (version === SCHEMA_VERSION) {
    for (const table of ["sessions", "entries"] as const) {
      const gone = missing(table);
      if (gone.length === 0) continue;
      throw new HoldfastError(
        "STORE_CORRUPT",
        `table ${tables.names[table]} lacks ${gone.join(", ")}, which schema version ${version} has; nothing was changed: restore a backup, give the columns their names with the option "columns", or name other tables with "tables"`,
        { store: NAME },
      );
    }
  }
  return version;
}

/** Brings the schema up to date within the transaction that is open; what was done, a line each. */
export function migrate(sql: Sql, tables: Tables, from: number): string[] {
  const steps = migrationsOf(tables).filter(({ to }) => to > from);
  for (const step of steps) sql.exec(step.sql);
  sql.run(
    `INSERT INTO ${tables.meta} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    META.schemaVersion,
    SCHEMA_VERSION,
  );
  return steps.map(({ to, title }) => `version ${to}: ${title}`);
}
