/**
 * @module
 * Session ids as people type them: whole, or as much of the beginning as no other session shares.
 */
import type { SessionRecord, SessionStatus } from "../index.ts";
import { cleanLine } from "./clean.ts";
import type { AnySessions } from "./context.ts";
import { CliError } from "./failure.ts";

const MOST_CANDIDATES = 10;
const LEAST_UUID = 8;
/** Ids that are no UUIDs are shown whole up to this length. */
const WHOLE_OTHER = 32;
const LEAST_OTHER = 24;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The record of the session whose id is `given`, or the only one whose id begins so.
 *
 * @param status `"deleted"`: those that are deleted and kept for their forks count too.
 * @throws SESSION_NOT_FOUND, AMBIGUOUS_ID naming the candidates.
 */
export async function resolveRecord(
  sessions: AnySessions,
  given: string,
  status?: Extract<SessionStatus, "deleted">,
): Promise<SessionRecord> {
  const exact = await sessions.find(given);
  if (exact) return exact;
  const found: SessionRecord[] = [];
  for (const query of [{ limit: 1000 }, ...(status ? [{ limit: 1000, status }] : [])]) {
    for await (const record of sessions.all(query)) {
      if (record.id === given) return record;
      if (found.length <= MOST_CANDIDATES && record.id.startsWith(given)) found.push(record);
    }
  }
  const [only, another] = found;
  if (only && !another) return only;
  if (!only) {
    throw new CliError(
      "SESSION_NOT_FOUND",
      `no session has the id ${JSON.stringify(given)}, or one that begins so; \`holdfast ls\` lists them`,
    );
  }
  const listed = found
    .slice(0, MOST_CANDIDATES)
    .map(({ id, label }) => `${id}${label === undefined ? "" : `  ${cleanLine(label)}`}`);
  throw new CliError(
    "AMBIGUOUS_ID",
    `several sessions have an id that begins with ${JSON.stringify(given)}; give more of it`,
    found.length > MOST_CANDIDATES ? [...listed, "…"] : listed,
  );
}

export async function resolveId(sessions: AnySessions, given: string): Promise<string> {
  return (await resolveRecord(sessions, given)).id;
}

/** For each id, as much of its beginning as tells it from all others, those of `known` among them. */
export function shortIds(ids: readonly string[], known: readonly string[] = []): Map<string, string> {
  const sorted = [...new Set([...ids, ...known])].sort();
  const wanted = new Set(ids);
  const short = new Map<string, string>();
  for (const [index, id] of sorted.entries()) {
    if (!wanted.has(id)) continue;
    const shared = Math.max(sharedLength(id, sorted[index - 1]), sharedLength(id, sorted[index + 1]));
    const least = UUID.test(id) ? LEAST_UUID : id.length <= WHOLE_OTHER ? id.length : LEAST_OTHER;
    short.set(id, id.slice(0, Math.max(least, shared + 1)));
  }
  return short;
}

/** The ids of the newest sessions, as many as can be read at once, so that what is shown of an id is rarely another's. */
export async function knownIds(sessions: AnySessions): Promise<string[]> {
  return (await sessions.list({ limit: 1000 })).items.map(({ id }) => id);
}

function sharedLength(id: string, other: string | undefined): number {
  let length = 0;
  while (other !== undefined && length < id.length && id[length] === other[length]) length += 1;
  return length;
}
