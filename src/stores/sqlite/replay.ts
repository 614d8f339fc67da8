/**
 * @module
 * Synchronous work on a client that answers with promises, so that one piece of code serves both kinds.
 *
 * The work is run until it needs an answer that is not there yet, and broken off; the answer is fetched, and the work is
 * run again from its beginning with all the answers so far. So it must do the same each time: depend on nothing but
 * answers, and change nothing but through `sql`. What it writes is sent once. Nobody looks at what most writes answer, so
 * they break nothing off: a commit of any length is run two or three times.
 */
import type { Row } from "../sql/rows.ts";
import { statementsOf } from "../sql/statements.ts";
import type { Sql } from "./connection.ts";
import type { SqlValue } from "./driver.ts";

/** A client that answers with promises. */
export interface Statements {
  all(sql: string, values: readonly SqlValue[]): Promise<Row[]>;
  /** How many rows it changed. */
  run(sql: string, values: readonly SqlValue[]): Promise<number>;
}

/** A statement of the work, in its place. */
interface Step {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  readonly isRead: boolean;
  rows?: Row[];
  changes?: number;
  rowId?: number | bigint;
  needsRowId?: boolean;
}

/** Thrown through the work where it has to wait; of no class that the work catches. */
const BREAK_OFF = new Error("an answer is not there yet");

/** SQLite takes 32,766 values a statement, and a client copies what it is given. */
const MAX_VALUES = 4000;
const MAX_CHARACTERS = 1024 * 1024;

/** What `work` answers. Within a transaction, or its writes may be there in part. */
export async function replay<T>(statements: Statements, work: (sql: Sql) => T): Promise<T> {
  const steps: Step[] = [];
  for (let settled = 0; ; settled = steps.length) {
    const ran = attempt(steps, work);
    // The last one may have been asked for its row only now.
    await settle(statements, steps, Math.max(0, settled - 1));
    if (ran) return ran.answer;
  }
}

function attempt<T>(steps: Step[], work: (sql: Sql) => T): { readonly answer: T } | undefined {
  try {
    return { answer: work(recorded(steps)) };
  } catch (error) {
    if (error === BREAK_OFF) return undefined;
    throw error;
  }
}

/** Answers from `steps`, and puts there what has no answer yet. */
function recorded(steps: Step[]): Sql {
  let place = 0;
  const step = (isRead: boolean, sql: string, values: readonly SqlValue[]): Step => {
    steps[place] ??= { sql, values, isRead };
    const found = steps[place];
    place += 1;
    if (found?.sql === sql) return found;
    throw new Error(`the same work did ${sql} where it did ${found?.sql} before`);
  };
  const all: Sql["all"] = (sql, ...values) => step(true, sql, values).rows ?? breakOff();
  const run: Sql["run"] = (sql, ...values) => {
    const found = step(false, sql, values);
    return {
      get changes() {
        return found.changes ?? breakOff();
      },
      get lastInsertRowid() {
        if (found.rowId !== undefined) return found.rowId;
        if (place < steps.length)
          throw new Error("the row of an insert must be asked for before anything else");
        found.needsRowId = true;
        return breakOff();
      },
    };
  };
  return {
    all,
    run,
    get: (sql, ...values) => all(sql, ...values)[0],
    exec(script) {
      for (const sql of statementsOf(script)) run(sql);
    },
    // All of the work is within one transaction already.
    inSnapshot: (work) => work(),
  };
}

function breakOff(): never {
  throw BREAK_OFF;
}

/** Sends what has no answer yet from `first` on, in order. */
async function settle(statements: Statements, steps: readonly Step[], first: number): Promise<void> {
  for (let place = first; place < steps.length; ) {
    const step = steps[place];
    if (!step) return;
    const alike = rowsLike(steps, place);
    if (step.isRead) step.rows ??= await statements.all(step.sql, step.values);
    else if (alike.length > 1) await insertAll(statements, alike);
    else step.changes ??= await statements.run(step.sql, step.values);
    if (step.needsRowId) step.rowId ??= await lastRowId(statements);
    place += alike.length;
  }
}

/** The steps from `place` on that put a row each into the same table, as many as one statement takes; at least one. */
function rowsLike(steps: readonly Step[], place: number): Step[] {
  const [first, ...found] = steps.slice(place, place + 1);
  if (!first) return [];
  let [values, characters] = [first.values.length, sizeOf(first)];
  const isRow = first.changes === undefined && !first.needsRowId && ROW.test(first.sql);
  for (let next = place + 1; isRow && next < steps.length; next += 1) {
    const step = steps[next];
    if (!step || step.sql !== first.sql || step.needsRowId) break;
    values += step.values.length;
    characters += sizeOf(step);
    if (values > MAX_VALUES || characters > MAX_CHARACTERS) break;
    found.push(step);
  }
  return [first, ...found];
}

const ROW = /^INSERT INTO .* VALUES (\(\?(?:, \?)*\))$/s;

async function insertAll(statements: Statements, rows: readonly Step[]): Promise<void> {
  const [first] = rows;
  const row = ROW.exec(first?.sql ?? "")?.[1];
  const sql = `${first?.sql}${`, ${row}`.repeat(rows.length - 1)}`;
  await statements.run(
    sql,
    rows.flatMap(({ values }) => values),
  );
  for (const step of rows) step.changes = 1;
}

function sizeOf({ values }: Step): number {
  return values.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 8), 0);
}

async function lastRowId(statements: Statements): Promise<number> {
  const [row] = await statements.all("SELECT last_insert_rowid() AS id", []);
  return Number(row?.id);
}
