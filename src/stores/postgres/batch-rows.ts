/**
 * @module
 * A batch as a statement is given it: of its sessions and of its entries an array a field. To take rows out of one JSON
 * text instead takes the server several times as long.
 */
import type { EncodedCommit } from "../sql/encode.ts";
import { ADDED, addedOf, CHANGED, changedOf, keysOf } from "./columns.ts";
import type { SqlValue } from "./values.ts";
import { arrayText, storedText } from "./values.ts";

/** `ord` is the place of a commit among those of the statement. */
const SESSION_FIELDS = {
  ord: "int",
  id: "text",
  expected: "bigint",
  created_at: "double precision",
  ...CHANGED,
  metadata: "text",
} as const;
const ENTRY_FIELDS = { ord: "int", ...ADDED, searched: "bool" } as const;

type RowOf<F> = { readonly [K in keyof F]: string | number | null };

/** The parameters of a statement that begins with {@link inputSql}. */
export function inputValues(namespace: string, commits: readonly EncodedCommit[]): SqlValue[] {
  return [
    namespace,
    ...columnsOf(SESSION_FIELDS, sessionsIn(commits)),
    ...columnsOf(ENTRY_FIELDS, entriesIn(commits)),
  ];
}

/**
 * The namespace is `$1`, and these are `input`, a row a session, and `added`, a row an entry. The limits are for the
 * planner, which would expect other numbers of rows and read whole tables for them; powers of two, so that there are few texts.
 */
export function inputSql(commits: readonly EncodedCommit[]): string {
  const added = commits.reduce((sum, { entries }) => sum + entries.length, 0);
  return `input AS MATERIALIZED (SELECT * FROM ${SESSION_ROWS} LIMIT ${limitFor(commits.length)}),
added AS MATERIALIZED (SELECT * FROM ${ENTRY_ROWS} LIMIT ${limitFor(added)})`;
}

function limitFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count)));
}

const SESSION_ROWS = rowsSql(SESSION_FIELDS, 2);
const ENTRY_ROWS = rowsSql(ENTRY_FIELDS, 2 + Object.keys(SESSION_FIELDS).length);

function sessionsIn(commits: readonly EncodedCommit[]): RowOf<typeof SESSION_FIELDS>[] {
  return commits.map((encoded, ord) => {
    const { sessionId, expectedVersion, record } = encoded.commit;
    const id = storedText(sessionId);
    return { ord, id, expected: expectedVersion, created_at: record.createdAt, ...changedOf(encoded) };
  });
}

function entriesIn(commits: readonly EncodedCommit[]): RowOf<typeof ENTRY_FIELDS>[] {
  return commits.flatMap(({ entries }, ord) => entries.map((entry) => ({ ord, ...addedOf(entry) })));
}

function columnsOf<F extends object>(fields: F, rows: readonly RowOf<F>[]): string[] {
  return keysOf(fields).map((field) => {
    const values = rows.map((row) => row[field]);
    // Beside longer ones, an array stands for as many nulls as it lacks.
    return values.every((value) => value === null) ? "{}" : arrayText(values);
  });
}

/** The rows whose columns are the parameters from number `first` on. */
function rowsSql(fields: Readonly<Record<string, string>>, first: number): string {
  const columns = Object.values(fields).map((type, index) => `$${first + index}::text::${type}[]`);
  return `unnest(${columns.join(", ")}) AS x(${Object.keys(fields).join(", ")})`;
}
