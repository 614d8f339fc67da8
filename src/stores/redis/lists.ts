/**
 * @module
 * Lists: walks one index from its newest end and checks each row against the record, which alone is the truth.
 */
import type { SessionRecord } from "../../log/record.ts";
import type { Keyset } from "../../store/query.ts";
import { decodeCursor, encodeCursor, matches, orderTime } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { Engine, Space } from "./engine.ts";
import { dropRows, isDead } from "./engine.ts";
import type { Member, Row } from "./keys.ts";
import { prefixOf, timeKey } from "./keys.ts";
import type { Fetched } from "./records.ts";
import { fetchRows } from "./rows.ts";

/** Rows that one step reads where most of them may not match. */
const WALK_AT_ONCE = 200;

/**
 * A page of the records that match.
 *
 * @throws INVALID_ARGUMENT for a cursor that is not of this query.
 */
export async function listPage(
  engine: Engine,
  space: Space,
  query: StoreQuery,
): Promise<Page<SessionRecord>> {
  const before = decodeCursor(query, space.path);
  const found: SessionRecord[] = [];
  for await (const records of steps(engine, space, query, before, query.limit + 1)) {
    found.push(...records);
    if (found.length > query.limit) break;
  }
  found.sort((a, b) => newestFirst(a, b, query.order));
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  if (found.length <= query.limit || !last) return { items };
  return {
    items,
    // Hashing the query costs as much as checking a few rows, and most callers want the first page only.
    get cursor() {
      return encodeCursor(query, { at: orderTime(last, query.order), id: last.id }, space.path);
    },
  };
}

/** The records that match, newest first, each once. */
export async function* walk(engine: Engine, space: Space, query: StoreQuery): AsyncGenerator<SessionRecord> {
  for await (const records of steps(engine, space, query)) yield* records;
}

/**
 * The records that match, newest first, each once; those of one step together.
 *
 * A session that is committed to between the reading of its row and that of its record has moved up; a walk that began
 * at the top still gives it, if out of place, since it was there before and after.
 *
 * @param before where to go on.
 * @param atOnce how many the caller will take, if all match.
 */
async function* steps(
  engine: Engine,
  space: Space,
  query: StoreQuery,
  before?: Keyset,
  atOnce = WALK_AT_ONCE,
): AsyncGenerator<readonly SessionRecord[]> {
  const key = space.keys.index(query);
  const lowest = lowestMember(query);
  const seen = new Set<string>();
  let highest = highestMember(query, before);
  let count = Math.min(atOnce, WALK_AT_ONCE);
  for (;;) {
    const rows = await fetchRows(engine, space, { key, highest, lowest, count });
    const found: SessionRecord[] = [];
    const dead: Row[] = [];
    for (const { member, row, current } of rows) {
      const isNow = isConfirmed(row, current, query.order);
      if (isNow || (current && !before && isAbove(current.record, row, query))) {
        if (current && !seen.has(row.id) && matches(current.record, query)) {
          seen.add(row.id);
          found.push(current.record);
        }
      }
      if (!isNow && isDead(engine, row.tail)) dead.push({ key, member });
    }
    if (dead.length > 0) await dropRows(engine, dead);
    if (found.length > 0) yield found;
    if (rows.length < count) return;
    highest = `(${rows.at(-1)?.member ?? ""}`;
    count = WALK_AT_ONCE;
  }
}

/** Whether `row` is of what the session is now. */
function isConfirmed(row: Member, current: Fetched | undefined, order: StoreQuery["order"]): boolean {
  if (!current) return false;
  return order === "created"
    ? timeKey(current.record.createdAt) === row.time
    : current.place.startsWith(`${row.tail} `);
}

function isAbove(record: SessionRecord, row: Member, { order }: StoreQuery): boolean {
  return timeKey(orderTime(record, order)) > row.time;
}

function newestFirst(a: SessionRecord, b: SessionRecord, order: StoreQuery["order"]): number {
  return orderTime(b, order) - orderTime(a, order) || Buffer.compare(Buffer.from(b.id), Buffer.from(a.id));
}

function highestMember({ order, updatedBefore }: StoreQuery, before: Keyset | undefined): string {
  // All rows of the id begin so and are longer, hence above.
  if (before) return `(${prefixOf(before.at, before.id)}`;
  return order === "updated" && updatedBefore !== undefined ? `(${timeKey(updatedBefore)}` : "+";
}

function lowestMember({ order, updatedAfter }: StoreQuery): string {
  return order === "updated" && updatedAfter !== undefined ? `[${timeKey(updatedAfter, 1)}` : "-";
}
