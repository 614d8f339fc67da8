/**
 * @module
 * Lists: what the engine's index finds, each checked against where its session is now.
 */
import type { SessionRecord } from "../../log/record.ts";
import type { Keyset } from "../../store/query.ts";
import { decodeCursor, encodeCursor, matches } from "../../store/query.ts";
import type { Page, StoreQuery } from "../../store/store.ts";
import type { SessionDocument } from "./driver.ts";
import type { Head } from "./heads.ts";
import { headOf, headsOf } from "./heads.ts";
import type { Space } from "./space.ts";

/** Documents that one step reads where most of them may not match. */
const WALK_AT_ONCE = 200;

/**
 * A page of the records that match.
 *
 * @throws INVALID_ARGUMENT for a cursor that is not of this query.
 */
export async function listPage(space: Space, query: StoreQuery): Promise<Page<SessionRecord>> {
  const before = decodeCursor(query, space.path);
  const found: SessionRecord[] = [];
  for await (const record of walk(space, query, before)) {
    found.push(record);
    if (found.length > query.limit) break;
  }
  found.sort((a, b) => comparePlaces(placeOf(b, query), placeOf(a, query)));
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  if (found.length <= query.limit || !last) return { items };
  return { items, cursor: encodeCursor(query, placeOf(last, query), space.path) };
}

/**
 * The records that match, newest first but for those that were being written to, each once.
 *
 * A session that has moved up since the index knew it is given only where the walk began at the top: else it stands on a
 * page before, and was touched meanwhile.
 */
async function* walk(
  space: Space,
  query: StoreQuery,
  before: Keyset | undefined,
): AsyncGenerator<SessionRecord> {
  const seen = new Set<string>();
  let from = before;
  let count = Math.min(query.limit + 1, WALK_AT_ONCE);
  for (;;) {
    const rows = await space.driver.listSessions(space.path, query, from, count);
    for (const { record, isEnded } of await listedHeads(space, rows)) {
      if (!record || isEnded || seen.has(record.id) || !matches(record, query)) continue;
      if (before && comparePlaces(placeOf(record, query), before) >= 0) continue;
      seen.add(record.id);
      yield record;
    }
    const last = rows.at(-1);
    if (rows.length < count || !last) return;
    from = placeOf(last, query);
    count = WALK_AT_ONCE;
  }
}

/**
 * Where listed sessions are. Projections keep up with acknowledged commits, or soon will, so a list is one request; past
 * one that tells of no commit is looked at once. What crashes left behind where lists may be late is seen to meanwhile.
 */
async function listedHeads(space: Space, rows: readonly SessionDocument[]): Promise<Head[]> {
  const begun = rows.filter(({ ordinal }) => ordinal === 0);
  const settled = new Map((await headsOf(space, begun, "may")).map((head) => [head.key, head]));
  space.late?.check(() => headsOf(space, rows, "may"));
  return rows.map((row) => settled.get(row.key) ?? headOf(space, row));
}

type Listed = Pick<SessionDocument, "id" | "createdAt" | "updatedAt">;

function placeOf({ id, createdAt, updatedAt }: Listed, { order }: StoreQuery): Keyset {
  return { at: order === "created" ? createdAt : updatedAt, id };
}

function comparePlaces(a: Keyset, b: Keyset): number {
  return a.at - b.at || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id));
}
