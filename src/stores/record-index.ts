/**
 * @module
 * An index in memory over the records of one namespace: what makes a list cost what it returns, not what there is.
 *
 * Sorted arrays, newest last, in both orders: of all sessions, and of those of one user, of one user and status, and
 * of one parent. A page begins at a binary search and then walks back; a session that was written lately moves within
 * the end of its arrays, which is where most writes are.
 */
import type { SessionRecord, SessionStatus } from "../log/record.ts";
import type { Keyset } from "../store/query.ts";
import { decodeCursor, encodeCursor, matches, orderTime } from "../store/query.ts";
import type { Page, StoreQuery } from "../store/store.ts";

/** What the index sorts and groups by. */
export interface IndexKeys {
  readonly id: string;
  readonly userId?: string | undefined;
  readonly parentId?: string | undefined;
  readonly status: SessionStatus;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt?: number | undefined;
}

/** The keys of a record. */
export function keysOf(record: SessionRecord): IndexKeys {
  const { id, userId, parentId, status, createdAt, updatedAt, expiresAt } = record;
  return { id, userId, parentId, status, createdAt, updatedAt, expiresAt };
}

export interface RecordIndex<T extends IndexKeys> {
  readonly size: number;
  get(id: string): T | undefined;
  values(): Iterable<T>;
  /** Puts `item` in the place of the one with its id. Items are never changed, only replaced. */
  set(item: T): void;
  delete(id: string): void;
  clear(): void;
  /** Of all that may match `query`, oldest first: those before index `end` come after `before` in the list. */
  range(query: Pick<StoreQuery, "order" | "userId" | "status" | "parentId">, before?: Keyset): Range<T>;
}

export interface Range<T> {
  readonly items: readonly T[];
  readonly end: number;
}

type Order = StoreQuery["order"];
type Group<T> = Readonly<Record<Order, T[]>>;

const ORDERS: readonly Order[] = ["updated", "created"];

export function recordIndex<T extends IndexKeys>(): RecordIndex<T> {
  const items = new Map<string, T>();
  const groups = new Map<string, Map<string, Group<T>>>();
  const groupOf = ([name, part]: GroupKey): Group<T> | undefined => groups.get(name)?.get(part);

  const unlink = (item: T): void => {
    for (const [name, part] of groupKeys(item)) {
      const parts = groups.get(name);
      const group = parts?.get(part);
      if (!parts || !group) continue;
      for (const order of ORDERS) group[order].splice(position(group[order], order, place(item, order)), 1);
      if (group.updated.length === 0) parts.delete(part);
      if (parts.size === 0) groups.delete(name);
    }
  };

  const link = (item: T): void => {
    for (const key of groupKeys(item)) {
      const group = groupOf(key);
      if (group) {
        for (const order of ORDERS) insert(group[order], order, item);
        continue;
      }
      const [name, part] = key;
      const parts = groups.get(name) ?? new Map<string, Group<T>>();
      groups.set(name, parts.set(part, { updated: [item], created: [item] }));
    }
  };

  return {
    get size() {
      return items.size;
    },
    get: (id) => items.get(id),
    values: () => items.values(),
    set(item) {
      const old = items.get(item.id);
      items.set(item.id, item);
      if (old && old.userId === item.userId && old.status === item.status && old.parentId === item.parentId) {
        for (const key of groupKeys(item)) {
          const group = groupOf(key);
          if (group) for (const order of ORDERS) replace(group[order], order, old, item);
        }
        return;
      }
      if (old) unlink(old);
      link(item);
    },
    delete(id) {
      const item = items.get(id);
      if (item) unlink(item);
      items.delete(id);
    },
    clear() {
      items.clear();
      groups.clear();
    },
    range(query, before) {
      const sorted = groupOf(smallestGroup(query))?.[query.order] ?? [];
      return { items: sorted, end: before ? position(sorted, query.order, before) : sorted.length };
    },
  };
}

/**
 * One page of the records in `index` that match `query`.
 *
 * @param scope what the cursor is tied to beside the query: the namespace.
 * @param recordOf the record of an item; `undefined` where it is gone.
 * @throws INVALID_ARGUMENT for a cursor that is not of this query.
 */
export function pageOf<T extends IndexKeys>(
  index: RecordIndex<T>,
  query: StoreQuery,
  scope: string,
  recordOf: (item: T) => SessionRecord | undefined,
): Page<SessionRecord> {
  const { items, end } = index.range(query, decodeCursor(query, scope));
  const { limit, liveAt } = query;
  const isGrouped = isOfGroup(query);
  const found: SessionRecord[] = [];
  for (let at = end - 1; at >= 0; at -= 1) {
    const item = items[at];
    if (
      !item ||
      (isGrouped && liveAt !== undefined && item.expiresAt !== undefined && item.expiresAt <= liveAt)
    )
      continue;
    const record = recordOf(item);
    if (!record || !(isGrouped || matches(record, query))) continue;
    if (found.length === limit) return pageBefore(found, query, scope);
    found.push(record);
  }
  return { items: found };
}

/** A full page. Hashing the query costs more than finding the page and most callers want the first one only, so it waits. */
function pageBefore(items: SessionRecord[], query: StoreQuery, scope: string): Page<SessionRecord> {
  const last = items[items.length - 1];
  if (!last) return { items };
  return {
    items,
    get cursor() {
      return encodeCursor(query, { at: orderTime(last, query.order), id: last.id }, scope);
    },
  };
}

/** Whether all that {@link RecordIndex.range} names matches, but for what has expired. */
function isOfGroup(query: StoreQuery): boolean {
  const { userId, status, agent, parentId, kind, label, metadata, updatedBefore, updatedAfter, expiredAt } =
    query;
  const rest = agent ?? parentId ?? kind ?? label ?? metadata ?? updatedBefore ?? updatedAfter ?? expiredAt;
  return userId !== undefined && status !== undefined && rest === undefined;
}

/** All; all of one user; of one user and status; of one parent. No id is empty, so none is mistaken for all. */
type GroupKey = readonly [name: string, part: SessionStatus | "all" | "children"];

function groupKeys({ userId, parentId, status }: IndexKeys): GroupKey[] {
  const keys: GroupKey[] = [["", "all"]];
  if (userId !== undefined) keys.push([userId, "all"], [userId, status]);
  if (parentId !== undefined) keys.push([parentId, "children"]);
  return keys;
}

/** The smallest group that holds all that can match. */
function smallestGroup({
  userId,
  status,
  parentId,
}: Pick<StoreQuery, "userId" | "status" | "parentId">): GroupKey {
  if (parentId !== undefined) return [parentId, "children"];
  return [userId ?? "", userId === undefined ? "all" : (status ?? "all")];
}

function place(item: IndexKeys, order: Order): Keyset {
  return { at: order === "created" ? item.createdAt : item.updatedAt, id: item.id };
}

/** The index of the first item of `sorted` that is not older than `keyset`. */
function position(sorted: readonly IndexKeys[], order: Order, keyset: Keyset): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = sorted[middle];
    if (item && isBefore(place(item, order), keyset)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(a: Keyset, b: Keyset): boolean {
  return a.at < b.at || (a.at === b.at && a.id < b.id);
}

function insert<T extends IndexKeys>(sorted: T[], order: Order, item: T): void {
  const last = sorted.at(-1);
  const to = place(item, order);
  if (!last || isBefore(place(last, order), to)) sorted.push(item);
  else sorted.splice(position(sorted, order, to), 0, item);
}

function replace<T extends IndexKeys>(sorted: T[], order: Order, old: T, item: T): void {
  const from = place(old, order);
  const index = position(sorted, order, from);
  if (place(item, order).at === from.at) {
    sorted[index] = item;
    return;
  }
  sorted.splice(index, 1);
  insert(sorted, order, item);
}
