/**
 * @module
 * How sessions and indexes are named in Redis.
 *
 * A key is `<prefix>:{<tag>}<suffix>`; in a Cluster what is in the braces decides the slot. Names and ids are
 * percent-encoded, so a tag holds no brace and no `/` but between parts, and no two keys meet whatever the prefix.
 * All keys of a session have one tag; each index has a tag of its own.
 *
 * The value of a record's key is lines: the place of the session in the indexes, the record, and, where it ends by itself
 * or others inherit from it, how long it is kept. JSON has no line breaks.
 *
 * An index is a sorted set whose scores are all 0, so that its order is that of the bytes of its members:
 * time, id, then a tail that tells one commit's row from another's.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */

import type { SessionRecord } from "../../log/record.ts";
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

/** What decides in which indexes a session is. */
export interface Kind {
  readonly status: string;
  readonly userId?: string | undefined;
  readonly parentId?: string | undefined;
}

/** Where the rows of a session are: what its record said at one commit. Times as {@link timeKey} makes them. */
export interface Place {
  /** Of the commit alone. */
  readonly token: string;
  readonly version: number;
  readonly created: string;
  readonly updated: string;
  /** When Redis drops it by itself. */
  readonly expires?: string | undefined;
  /** As {@link encodeKind} makes it. */
  readonly kind: string;
}

export interface Keys {
  session(id: string): SessionKeys;
  /** What the keys of all sessions begin with. */
  readonly sessionHead: string;
  /** The index that holds all that can match, and as little else as possible. */
  index(query: StoreQuery): string;
  readonly expiries: string;
  /** The indexes by time of change. */
  changesOf(kind: string): string[];
  /** The indexes by time of creation. */
  creationsOf(kind: string): string[];
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
  const changesOf = (kind: string): string[] => {
    const { userId, parentId, status } = decodeKind(kind);
    return [
      index("updated"),
      ...(userId === undefined
        ? []
        : [index("updated", "user", userId), index("updated", "user", userId, status)]),
      ...(parentId === undefined ? [] : [index("updated", "parent", parentId)]),
      // Most are active, so a walk over all finds those soon.
      ...(status === "active" ? [] : [index("updated", "status", status)]),
    ];
  };
  const creationsOf = (kind: string): string[] => {
    const { userId, parentId } = decodeKind(kind);
    return [
      index("created"),
      ...(userId === undefined ? [] : [index("created", "user", userId)]),
      ...(parentId === undefined ? [] : [index("created", "parent", parentId)]),
    ];
  };
  const expiries = index("expiries");
  const sessionHead = `${prefix}:{${path}`;
  return {
    expiries,
    sessionHead,
    changesOf,
    creationsOf,
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
      const { token, updated, expires, kind } = place;
      const member = `${updated}${idPart(id)}${token}`;
      const rows = changesOf(kind).map((key) => ({ key, member }));
      if (expires === undefined) return rows;
      // The tail is the whole place: once Redis has dropped the session, it alone says where the other rows are.
      return [...rows, { key: expiries, member: `${expires}${idPart(id)}${encodePlace(place)}` }];
    },
    rowsOfLife(id, { created, kind }) {
      const member = `${created}${idPart(id)}`;
      return creationsOf(kind).map((key) => ({ key, member }));
    },
  };
}

export function placeOf(record: SessionRecord, token: string, expiresAt: number | undefined): Place {
  const { version, createdAt, updatedAt, status, userId, parentId } = record;
  return {
    token,
    version,
    created: timeKey(createdAt),
    updated: timeKey(updatedAt),
    expires: expiresAt === undefined ? undefined : timeKey(expiresAt),
    kind: encodeKind({ status, userId, parentId }),
  };
}

/** The place as one line of text, which scripts read too: token, version, the three times, kind. */
export function encodePlace({ token, version, created, updated, expires = "-", kind }: Place): string {
  return `${token} ${version} ${created} ${updated} ${expires} ${kind}`;
}

export function encodeKind({ status, userId, parentId }: Kind): string {
  if (parentId === undefined) return JSON.stringify(userId === undefined ? [status] : [status, userId]);
  return JSON.stringify([status, userId ?? null, parentId]);
}

/** @throws SyntaxError where {@link encodeKind} did not make it. */
function decodeKind(kind: string): Kind {
  const parts: unknown = JSON.parse(kind);
  const [status, userId, parentId]: unknown[] = Array.isArray(parts) ? parts : [];
  const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return { status: textOf(status) ?? "", userId: textOf(userId), parentId: textOf(parentId) };
}

const PLACE =
  /^(\S+) (\d+) ([\da-f]{16}) ([\da-f]{16}) (\S+) (\["(?:[^"\\]|\\.)*"(?:,(?:null|"(?:[^"\\]|\\.)*")){0,2}\])$/;

/** The place that {@link encodePlace} made `text` of; `undefined` for any other text. */
export function decodePlace(text: string): Place | undefined {
  const [, token = "", version, created = "", updated = "", expires, kind = ""] = PLACE.exec(text) ?? [];
  if (token === "") return undefined;
  return {
    token,
    version: Number(version),
    created,
    updated,
    expires: expires === "-" ? undefined : expires,
    kind,
  };
}

/** Sorts by time, then id, then tail. */
export function memberOf(at: number, id: string, tail: string): string {
  return `${prefixOf(at, id)}${tail}`;
}

/** What the members of one id at one time begin with. */
export function prefixOf(at: number, id: string): string {
  return `${timeKey(at)}${idPart(id)}`;
}

/** How an id stands in a member. */
export function idPart(id: string): string {
  return `${id.replaceAll("\0", "\0\x01")}${END_OF_ID}`;
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
const bits = new DataView(new ArrayBuffer(8));

/** A number as 16 hexadecimal digits that sort as it does: IEEE 754, the sign turned round. */
export function timeKey(at: number, steps = 0): string {
  bits.setFloat64(0, at === 0 ? 0 : at);
  const [high, low] = [bits.getUint32(0), bits.getUint32(4)];
  const isNegative = high >= 2 ** 31;
  const sortableLow = (isNegative ? ~low >>> 0 : low) + steps;
  const sortableHigh = (isNegative ? ~high >>> 0 : high + 2 ** 31) + Math.floor(sortableLow / 2 ** 32);
  return `${hex(sortableHigh)}${hex(sortableLow % 2 ** 32)}`;
}

function hex(number: number): string {
  return number.toString(16).padStart(8, "0");
}
