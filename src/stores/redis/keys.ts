/**
 * @module
 * How sessions and indexes are named in Redis.
 *
 * A key is `<prefix>:{<tag>}<suffix>`; in a Cluster what is in the braces decides the slot. Names and ids are
 * percent-encoded, so a tag holds no brace and no `/` but between parts, and no two keys meet whatever the prefix.
 * All keys of a session have one tag; each index has a tag of its own.
 *
 * An index is a sorted set whose scores are all 0, so that its order is that of the bytes of its members:
 * time, id, then a tail that tells one commit's row from another's.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */

import type { SessionRecord } from "../../log/record.ts";
import { decodeValue } from "../../log/values.ts";
import type { StoreQuery } from "../../store/store.ts";

export interface SessionKeys {
  readonly record: string;
  readonly entries: string;
  readonly ids: string;
}

/** A member of an index. */
export interface Row {
  readonly key: string;
  readonly member: string;
}

/** Where the rows of a session are: what its record said at one commit. */
export interface Place {
  /** Of the commit alone. */
  readonly token: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly status: string;
  readonly userId?: string | undefined;
  readonly parentId?: string | undefined;
  /** When Redis drops it by itself. */
  readonly expiresAt?: number | undefined;
}

export interface Keys {
  session(id: string): SessionKeys;
  /** What the keys of all sessions begin with. */
  readonly sessionHead: string;
  /** The index that holds all that can match, and as little else as possible. */
  index(query: StoreQuery): string;
  readonly expiries: string;
  /**
   * On one server: the former places of sessions whose rows there are still to be taken out. While it is empty, every row
   * of a commit is of what its session is now.
   */
  readonly former: string;
  /** Rows that one commit alone has: those by time of change, and of expiry. */
  rowsOfCommit(id: string, place: Place): Row[];
  /** Rows that a session has all its life: those by time of creation. */
  rowsOfLife(id: string, place: Place): Row[];
}

const END_OF_ID = "\0\0";

/** @param path of the namespace, as `namespacePath` makes it. */
export function keysOf(prefix: string, path: string): Keys {
  // A namespace's path ends with "/" and an id is not empty, so "//" or a leading "/" is never in a session's tag.
  const index = (...parts: string[]): string =>
    `${prefix}:{${path}/${parts.map((part) => encodeURIComponent(part)).join("/")}}`;
  const byChange = ({
    userId,
    parentId,
    status,
  }: Pick<Place, "userId" | "parentId" | "status">): string[] => [
    index("updated"),
    ...(userId === undefined
      ? []
      : [index("updated", "user", userId), index("updated", "user", userId, status)]),
    ...(parentId === undefined ? [] : [index("updated", "parent", parentId)]),
    // Most are active, so a walk over all finds those soon.
    ...(status === "active" ? [] : [index("updated", "status", status)]),
  ];
  const expiries = index("expiries");
  const sessionHead = `${prefix}:{${path}`;
  return {
    expiries,
    former: index("former"),
    sessionHead,
    session(id) {
      const tagged = `${sessionHead}${encodeURIComponent(id)}}`;
      return { record: `${tagged}record`, entries: `${tagged}entries`, ids: `${tagged}ids` };
    },
    index({ order, userId, parentId, status }) {
      if (parentId !== undefined) return index(order, "parent", parentId);
      if (userId !== undefined)
        return order === "updated" && status
          ? index(order, "user", userId, status)
          : index(order, "user", userId);
      return order === "updated" && status && status !== "active"
        ? index(order, "status", status)
        : index(order);
    },
    rowsOfCommit(id, place) {
      const member = memberOf(place.updatedAt, id, place.token);
      const rows = byChange(place).map((key) => ({ key, member }));
      if (place.expiresAt === undefined) return rows;
      // The tail is the whole place: once Redis has dropped the session, it alone says where the other rows are.
      return [...rows, { key: expiries, member: memberOf(place.expiresAt, id, encodePlace(place)) }];
    },
    rowsOfLife(id, { createdAt, userId, parentId }) {
      const member = memberOf(createdAt, id, "");
      return [
        index("created"),
        ...(userId === undefined ? [] : [index("created", "user", userId)]),
        ...(parentId === undefined ? [] : [index("created", "parent", parentId)]),
      ].map((key) => ({ key, member }));
    },
  };
}

export function placeOf(record: SessionRecord, token: string, expiresAt: number | undefined): Place {
  const { createdAt, updatedAt, status, userId, parentId } = record;
  return { token, createdAt, updatedAt, status, userId, parentId, expiresAt };
}

/** The place as text that begins with its token and a space. */
export function encodePlace({ token, ...rest }: Place): string {
  return `${token} ${JSON.stringify(rest)}`;
}

/** The place that {@link encodePlace} made `text` of; `undefined` for any other text. */
export function decodePlace(text: string): Place | undefined {
  const end = text.indexOf(" ");
  if (end < 0) return undefined;
  try {
    const rest = decodeValue(text.slice(end + 1));
    return isPlace(rest) ? { ...rest, token: text.slice(0, end) } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isPlace(value: unknown): value is Omit<Place, "token"> {
  return typeof value === "object" && value !== null && "updatedAt" in value && "createdAt" in value;
}

/** Sorts by time, then id, then tail. */
export function memberOf(at: number, id: string, tail: string): string {
  return `${prefixOf(at, id)}${tail}`;
}

/** What the members of one id at one time begin with. */
export function prefixOf(at: number, id: string): string {
  return `${timeKey(at)}${id.replaceAll("\0", "\0\x01")}${END_OF_ID}`;
}

export interface Member {
  readonly time: string;
  readonly id: string;
  readonly tail: string;
}

/** The parts of what {@link memberOf} made. */
export function parseMember(member: string): Member {
  const end = member.indexOf(END_OF_ID, TIME_LENGTH);
  return {
    time: member.slice(0, TIME_LENGTH),
    id: member.slice(TIME_LENGTH, end).replaceAll("\0\x01", "\0"),
    tail: member.slice(end + END_OF_ID.length),
  };
}

const TIME_LENGTH = 16;
const SIGN = 1n << 63n;

/** A number as 16 hexadecimal digits that sort as it does: IEEE 754, the sign turned round. */
export function timeKey(at: number, steps = 0n): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, at === 0 ? 0 : at);
  const bits = view.getBigUint64(0);
  const sortable = bits & SIGN ? BigInt.asUintN(64, ~bits) : bits | SIGN;
  return (sortable + steps).toString(16).padStart(TIME_LENGTH, "0");
}
