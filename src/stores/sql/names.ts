/**
 * @module
 * Names in SQL: tables that a user may rename, and the text that a namespace is stored under. For every SQL dialect.
 */
import { invalidArgument } from "../../log/errors.ts";

/** What the tables are called. All are optional; the default of each is `holdfast_` and its key. */
export interface SqlTables {
  readonly sessions: string;
  readonly entries: string;
  /** Schema version and the state of the search index. */
  readonly meta: string;
  /** The search index; made when somebody first searches. */
  readonly search: string;
  /** The view for people with SQL tools. */
  readonly messages: string;
}

export const DEFAULT_TABLES: SqlTables = {
  sessions: "holdfast_sessions",
  entries: "holdfast_entries",
  meta: "holdfast_meta",
  search: "holdfast_search",
  messages: "holdfast_messages",
};

/** Leaves room for the suffixes of index names within PostgreSQL's 63 bytes, the shortest limit of any dialect. */
const MAX_NAME_LENGTH = 48;

/**
 * The default names, with `given` in their place where there is one.
 *
 * @throws INVALID_ARGUMENT unless each is a letter or underscore followed by letters, digits and underscores, at most
 *   48 characters, no two are the same in any case, and none begins with `sqlite_` or `pg_`.
 */
export function tableNames(given: Partial<SqlTables> = {}): SqlTables {
  const names = { ...DEFAULT_TABLES, ...given };
  const seen = new Map<string, string>();
  for (const [key, name] of Object.entries(names)) {
    if (!Object.hasOwn(DEFAULT_TABLES, key)) {
      throw invalidArgument(
        `tables.${key} is no table of Holdfast's; there are ${Object.keys(DEFAULT_TABLES).join(", ")}`,
      );
    }
    const folded = checkName(`tables.${key}`, name).toLowerCase();
    const other = seen.get(folded);
    if (other !== undefined) throw invalidArgument(`tables.${key} and tables.${other} are both ${name}`);
    seen.set(folded, key);
  }
  return names;
}

/**
 * Checks the name of a table or schema and returns it.
 *
 * @throws INVALID_ARGUMENT unless it is as {@link tableNames} says.
 */
export function checkName(what: string, name: unknown): string {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name.length > MAX_NAME_LENGTH) {
    throw invalidArgument(
      `${what} must be letters, digits and underscores, not beginning with a digit, at most ${MAX_NAME_LENGTH}`,
    );
  }
  if (/^(sqlite|pg)_/i.test(name))
    throw invalidArgument(`${what}: ${name} is a name that the engine keeps for itself`);
  return name;
}

/** `name` as a quoted identifier of standard SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `name` as a quoted identifier of MySQL and MariaDB, whatever their `sql_mode`. */
export function backtickName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
