/**
 * @module
 * Reading columns of rows, whatever a driver makes of numbers. For every SQL dialect.
 */
import { HoldfastError } from "../../log/errors.ts";

export type Row = Readonly<Record<string, unknown>>;

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null;
}

/** Each throws STORE_CORRUPT where the column holds something else. */
export interface RowReader {
  /** The number in `column`: some drivers answer with bigint or with digits. */
  number(row: Row, column: string): number;
  text(row: Row, column: string): string;
  textOrNull(row: Row, column: string): string | null;
}

/** @param store the name of the store, for errors. */
export function rowReader(store: string): RowReader {
  const damaged = (column: string, expected: string, value: unknown): HoldfastError =>
    new HoldfastError(
      "STORE_CORRUPT",
      `column ${column} holds ${value === null ? "null" : typeof value} where a ${expected} must be; the database was changed by another program: restore a backup`,
      { store },
    );
  const text = (row: Row, column: string): string => {
    const value = row[column];
    if (typeof value === "string") return value;
    throw damaged(column, "text", value);
  };
  return {
    text,
    textOrNull: (row, column) => (row[column] === null ? null : text(row, column)),
    number(row, column) {
      const value = row[column];
      if (typeof value === "number") return value;
      const isNumeric = typeof value === "bigint" || (typeof value === "string" && value.trim() !== "");
      const parsed = isNumeric ? Number(value) : Number.NaN;
      if (!Number.isNaN(parsed)) return parsed;
      throw damaged(column, "number", value);
    },
  };
}
