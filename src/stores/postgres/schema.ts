/**
 * @module
 * The tables, and how a database comes to have them.
 */
import { createHash } from "node:crypto";
import { HoldfastError } from "../../log/errors.ts";
import { aliased, listed } from "../sql/columns.ts";
import { quoteName } from "../sql/names.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { tooNew } from "../sql/versions.ts";
import type { Executor } from "./client.ts";
import { NAME } from "./errors.ts";
import { pendingTable } from "./search-index.ts";

export const SCHEMA_VERSION = 1;

const { number, text, textOrNull } = rowReader(NAME);

/** What the columns of each table are called. */
function columnsOf({ sessions, entries }: Tables["columnNames"]) {
  const { position: _sqliteOnly, ...ofEntries } = entries;
  return {
    sessions: Object.values(sessions),
    entries: Object.values(ofEntries),
    search: ["session_key", "seq", "at", "words"],
    meta: ["key", "value"],
  };
}

/**
 * - Sessions have a number as key, so that entries and indexes stay small; it is never used again.
 * - Ids are compared and ordered by byte (`COLLATE "C"`), whatever the database's own collation.
 * - Times are `double precision`: as exact as JavaScript's, and `to_timestamp(at / 1000)` takes them.
 * - Entries go with their session by a foreign key. Its trigger sees what was committed while a removal waited for the
 *   row, which the removal's own statement would not.
 * - Only callers' ids are indexed, by a partial index.
 * - What is searched is a table of its own, with the time that hits are ordered by, so that only a page of entries is read.
 *   Beside it stand the places of entries that are not in it yet.
 * - The view puts U+FFFD in place of NUL and halves of surrogate pairs, which PostgreSQL refuses to read in JSON.
 */
function firstVersion(tables: Tables): string {
  const { names, sessions, entries, search } = tables;
  const { sessions: s, entries: e } = tables.columns;
  const index = (table: string, suffix: string): string => quoteName(`${table}_${suffix}`);
  return `
CREATE TABLE ${sessions} (
  ${s.key} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ${s.namespace} text COLLATE "C" NOT NULL,
  ${s.id} text COLLATE "C" NOT NULL,
  ${s.version} bigint NOT NULL,
  ${s.seq} bigint NOT NULL,
  ${s.kind} text COLLATE "C" NOT NULL,
  ${s.status} text COLLATE "C" NOT NULL,
  ${s.user_id} text COLLATE "C",
  ${s.agent} text COLLATE "C",
  ${s.parent_id} text COLLATE "C",
  ${s.label} text COLLATE "C",
  ${s.created_at} double precision NOT NULL,
  ${s.updated_at} double precision NOT NULL,
  ${s.expires_at} double precision,
  ${s.metadata} text[] COLLATE "C",
  ${s.record} text NOT NULL
);
CREATE UNIQUE INDEX ${index(names.sessions, "id")} ON ${sessions} (${listed(s, "namespace", "id")});
CREATE INDEX ${index(names.sessions, "updated")} ON ${sessions} (${listed(s, "namespace", "status", "updated_at", "id")});
CREATE INDEX ${index(names.sessions, "created")} ON ${sessions} (${listed(s, "namespace", "status", "created_at", "id")});
CREATE INDEX ${index(names.sessions, "user")} ON ${sessions} (${listed(s, "namespace", "user_id", "status", "updated_at", "id")}) WHERE ${s.user_id} IS NOT NULL;
CREATE INDEX ${index(names.sessions, "parent")} ON ${sessions} (${listed(s, "namespace", "parent_id")}) WHERE ${s.parent_id} IS NOT NULL;
CREATE INDEX ${index(names.sessions, "expires")} ON ${sessions} (${listed(s, "namespace", "expires_at")}) WHERE ${s.expires_at} IS NOT NULL;

CREATE TABLE ${entries} (
  ${e.session_key} bigint NOT NULL REFERENCES ${sessions} (${s.key}) ON DELETE CASCADE,
  ${e.seq} bigint NOT NULL,
  ${e.at} double precision NOT NULL,
  ${e.type} text COLLATE "C" NOT NULL,
  ${e.id} text COLLATE "C",
  ${e.commit_id} text COLLATE "C",
  ${e.text} text,
  ${e.data} text NOT NULL,
  PRIMARY KEY (${listed(e, "session_key", "seq")})
);
CREATE UNIQUE INDEX ${index(names.entries, "id")} ON ${entries} (${listed(e, "session_key", "id")}) WHERE ${e.id} IS NOT NULL;

CREATE TABLE ${search} (
  session_key bigint NOT NULL REFERENCES ${sessions} (${s.key}) ON DELETE CASCADE,
  seq bigint NOT NULL,
  at double precision NOT NULL,
  words tsvector NOT NULL,
  PRIMARY KEY (session_key, seq)
);
CREATE INDEX ${index(names.search, "words")} ON ${search} USING gin (words);
CREATE TABLE ${pendingTable(tables)} (session_key bigint NOT NULL, seq bigint NOT NULL);
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
  m.message ->> 'role' AS role,
  CASE json_typeof(m.message -> 'content')
    WHEN 'string' THEN m.message ->> 'content'
    ELSE (
      SELECT string_agg(CASE json_typeof(part) WHEN 'object' THEN part ->> 'text' WHEN 'string' THEN part #>> '{}' END, chr(10))
      FROM json_array_elements(
        CASE 'array'
          WHEN json_typeof(m.message -> 'content') THEN m.message -> 'content'
          WHEN json_typeof(m.message -> 'parts') THEN m.message -> 'parts'
          ELSE '[]'::json
        END
      ) AS part
    )
  END AS text,
  ${e.at} AS at,
  ${s.namespace} AS namespace
FROM ${entries} AS e
JOIN ${sessions} AS s ON ${s.key} = ${e.session_key}
CROSS JOIN LATERAL (
  SELECT regexp_replace(${e.data}, '(?<!\\\\)((\\\\\\\\)*)\\\\u(0000|d[89a-f][0-9a-f]{2})', '\\1\\\\ufffd', 'g')::json -> 'message' AS message
) AS m
WHERE ${e.type} = 'message';
`;
}

/**
 * What is in the database: the version of its schema, 0 where there is none.
 *
 * @throws MIGRATION_REQUIRED where it is newer than this code, INVALID_ARGUMENT where a table of one of our names is
 *   somebody else's, STORE_CORRUPT where a column of ours is gone.
 */
export async function schemaVersion(executor: Executor, tables: Tables): Promise<number> {
  const kinds = ["sessions", "entries", "search", "meta", "messages"] as const;
  const expected = columnsOf(tables.columnNames);
  const columns = new Map<string, Set<string>>();
  const rows = await executor.query(
    `SELECT t.kind AS kind, a.attname::text AS name FROM unnest($1::text::text[], $2::text::text[]) AS t(kind, relation) JOIN pg_attribute AS a ON a.attrelid = to_regclass(t.relation)::oid AND a.attnum > 0 AND NOT a.attisdropped`,
    [`{${kinds.join(",")}}`, `{${kinds.map((kind) => JSON.stringify(tables[kind])).join(",")}}`],
  );
  for (const row of rows) {
    const kind = text(row, "kind");
    columns.set(kind, (columns.get(kind) ?? new Set()).add(text(row, "name")));
  }
  const [taken] = columns.keys();
  if (taken === undefined) return 0;
  const missing = (kind: keyof typeof expected): string[] =>
    expected[kind].filter((column) => !columns.get(kind)?.has(column));
  if (missing("meta").length > 0) {
    const named = kinds.find((kind) => kind === taken) ?? "meta";
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `the database has a table ${tables.names[named]} that is not Holdfast's; nothing was changed: name other tables with the option "tables", or another schema with "schema"`,
      { store: NAME },
    );
  }
  const version = versionIn(await executor.query(versionQuery(tables), []));
  if (version > SCHEMA_VERSION) throw tooNew(NAME, version, SCHEMA_VERSION);
  if (version === SCHEMA_VERSION) {
    for (const kind of ["sessions", "entries", "search"] as const) {
      const gone = missing(kind);
      if (gone.length === 0) continue;
      throw new HoldfastError(
        "STORE_CORRUPT",
        `table ${tables.names[kind]} lacks ${gone.join(", ")}, which schema version ${version} has; nothing was changed: restore a backup, give the columns their names with the option "columns", or name other tables with "tables"`,
        { store: NAME },
      );
    }
  }
  return version;
}

function versionQuery({ meta }: Tables): string {
  return `SELECT max(value) AS version FROM ${meta} WHERE key = 'schema_version'`;
}

function versionIn(rows: readonly Row[]): number {
  const [row] = rows;
  return row && textOrNull(row, "version") !== null ? number(row, "version") : 0;
}

/**
 * Brings the schema up to date, in one transaction that waits for any other that does the same; what was done, a line
 * each, and the version before.
 */
export async function migrate(
  executor: Executor,
  tables: Tables,
): Promise<{ from: number; steps: string[] }> {
  const { schema, names } = tables;
  const lock = createHash("sha256").update(`holdfast ${tables.meta}`).digest().readBigInt64BE();
  // Names are checked to hold letters, digits and underscores only, so nothing ends the quotation.
  const body = (statements: string): string => `DO $holdfast$\nBEGIN\n${statements}\nEND\n$holdfast$;`;
  const unlessThere = (test: string, statement: string): string =>
    `IF ${test} IS NULL THEN ${statement}; END IF;`;
  const results = await executor.script(`
SELECT pg_advisory_xact_lock(${lock}) IS NULL AS locked;
${body(
  [
    schema === undefined
      ? ""
      : unlessThere(`to_regnamespace('${quoteName(schema)}')`, `CREATE SCHEMA ${quoteName(schema)}`),
    unlessThere(
      `to_regclass('${tables.meta}')`,
      `CREATE TABLE ${tables.meta} (key text PRIMARY KEY, value text NOT NULL)`,
    ),
  ].join("\n"),
)}
${versionQuery(tables)};
${body(`
IF NOT EXISTS (SELECT FROM ${tables.meta} WHERE key = 'schema_version') THEN
${firstVersion(tables)}
INSERT INTO ${tables.meta} (key, value) VALUES ('schema_version', '1');
END IF;`)}`);
  const found = results.flat().filter((row) => "version" in row);
  const from = versionIn(found);
  if (from > SCHEMA_VERSION) throw tooNew(NAME, from, SCHEMA_VERSION);
  const title = `version 1: made ${names.sessions}, ${names.entries}, ${names.search}, ${names.meta} and the view ${names.messages}`;
  return { from, steps: from === 0 ? [title] : [] };
}
