/**
 * @module
 * Columns that a user may rename, and how statements name them. For every dialect that quotes as standard SQL does.
 *
 * In the text of a statement, what stands in `${}` is a column of a table, whatever that is called: `${s.version}`. All
 * else is the statement's own: fields of its subqueries, and the names under which rows are read, which are the default
 * ones.
 */
import { invalidArgument } from "../../log/errors.ts";
import { checkName, quoteName } from "./names.ts";

const SESSION_COLUMNS = [
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
  "metadata",
  "record",
] as const;
const ENTRY_COLUMNS = [
  "position",
  "session_key",
  "seq",
  "at",
  "type",
  "id",
  "commit_id",
  "text",
  "data",
] as const;

/** A column of a session by its default name. `metadata` is there on PostgreSQL only. */
export type SessionColumn = (typeof SESSION_COLUMNS)[number];
/** A column of an entry by its default name. `position` is there on SQLite only. */
export type EntryColumn = (typeof ENTRY_COLUMNS)[number];

/** Other names for columns, by their default names: `{ sessions: { user_id: "userId" } }`. */
export interface SqlColumns {
  readonly sessions?: Partial<Record<SessionColumn, string>>;
  readonly entries?: Partial<Record<EntryColumn, string>>;
}

/** What columns are called, by their default names. */
export type Named<Column extends string> = Readonly<Record<Column, string>>;

export interface ColumnNames {
  readonly sessions: Named<SessionColumn>;
  readonly entries: Named<EntryColumn>;
}

export const DEFAULT_COLUMNS: ColumnNames = {
  sessions: sameNames(SESSION_COLUMNS),
  entries: sameNames(ENTRY_COLUMNS),
};

/** Columns that PostgreSQL and SQLite have in every table. */
const OWN_COLUMNS = /^(tableoid|ctid|[cx](min|max)|oid|rowid|_rowid_)$/i;

/**
 * The default names, with `given` in their place where there is one.
 *
 * @throws INVALID_ARGUMENT unless each is as `checkName` says and no column of the engine's own, and no two of a table
 *   are the same in any case.
 */
export function columnNames(given: SqlColumns = {}): ColumnNames {
  for (const table of Object.keys(given)) {
    if (Object.hasOwn(DEFAULT_COLUMNS, table)) continue;
    throw invalidArgument(`columns.${table}: only columns of sessions and entries can have other names`);
  }
  return {
    sessions: namesIn("sessions", DEFAULT_COLUMNS.sessions, given.sessions),
    entries: namesIn("entries", DEFAULT_COLUMNS.entries, given.entries),
  };
}

function namesIn<Column extends string>(
  table: string,
  defaults: Named<Column>,
  given: Partial<Record<Column, string>> = {},
): Named<Column> {
  const names: Named<Column> = { ...defaults, ...given };
  const seen = new Map<string, string>();
  for (const [column, name] of Object.entries(names)) {
    const what = `columns.${table}.${column}`;
    if (!Object.hasOwn(defaults, column)) {
      throw invalidArgument(
        `${what} is no column of Holdfast's; there are ${Object.keys(defaults).join(", ")}`,
      );
    }
    const folded = checkName(what, name).toLowerCase();
    if (OWN_COLUMNS.test(folded))
      throw invalidArgument(`${what}: ${name} is a column that the engine has itself`);
    const other = seen.get(folded);
    if (other !== undefined) throw invalidArgument(`${what} and columns.${table}.${other} are both ${name}`);
    seen.set(folded, column);
  }
  return names;
}

/** The columns as they stand in a statement. */
export function quotedColumns(names: ColumnNames): ColumnNames {
  return { sessions: mapped(names.sessions, quoteName), entries: mapped(names.entries, quoteName) };
}

/** `columns` of the table that a statement calls `alias`. */
export function aliased<Column extends string>(alias: string, columns: Named<Column>): Named<Column> {
  return mapped(columns, (name) => `${alias}.${name}`);
}

/** Some of `columns`, as a list: `s."key", s."record"`. */
export function listed<Column extends string>(
  columns: Named<Column>,
  ...some: readonly NoInfer<Column>[]
): string {
  return some.map((column) => columns[column]).join(", ");
}

/** Some of `columns`, to be read under their default names: `s."key" AS key, s."record" AS record`. */
export function selected<Column extends string>(
  columns: Named<Column>,
  ...some: readonly NoInfer<Column>[]
): string {
  return some.map((column) => `${columns[column]} AS ${column}`).join(", ");
}

function sameNames<Column extends string>(columns: readonly Column[]): Named<Column>;
function sameNames(columns: readonly string[]): Named<string> {
  return Object.fromEntries(columns.map((column) => [column, column]));
}

function mapped<Column extends string>(
  columns: Named<Column>,
  change: (name: string) => string,
): Named<Column>;
function mapped(columns: Named<string>, change: (name: string) => string): Named<string> {
  return Object.fromEntries(Object.entries(columns).map(([column, name]) => [column, change(name)]));
}
