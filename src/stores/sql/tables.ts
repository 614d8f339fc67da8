/**
 * @module
 * Tables and their columns as they stand in statements. For every dialect that quotes as standard SQL does.
 */
import type { ColumnNames, SqlColumns } from "./columns.ts";
import { columnNames, quotedColumns } from "./columns.ts";
import type { SqlTables } from "./names.ts";
import { checkName, quoteName, tableNames } from "./names.ts";

/** The tables and the view, quoted, with their schema where one was given. */
export interface Tables extends SqlTables {
  readonly schema: string | undefined;
  /** What they are called. */
  readonly names: SqlTables;
  readonly columnNames: ColumnNames;
  /** The columns, quoted. */
  readonly columns: ColumnNames;
}

/** Names that a user chose. */
export interface NameOptions {
  readonly tables?: Partial<SqlTables> | undefined;
  readonly columns?: SqlColumns | undefined;
  readonly schema?: string | undefined;
}

/** @throws INVALID_ARGUMENT for what is no plain name, and for one that is given twice. */
export function tablesOf(options: NameOptions): Tables {
  const { schema } = options;
  if (schema !== undefined) checkName("schema", schema);
  const names = tableNames(options.tables);
  const chosen = columnNames(options.columns);
  const qualified = (name: string): string =>
    schema === undefined ? quoteName(name) : `${quoteName(schema)}.${quoteName(name)}`;
  return {
    schema,
    names,
    columnNames: chosen,
    columns: quotedColumns(chosen),
    sessions: qualified(names.sessions),
    entries: qualified(names.entries),
    meta: qualified(names.meta),
    search: qualified(names.search),
    messages: qualified(names.messages),
  };
}
