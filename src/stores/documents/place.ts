/**
 * @module
 * Where commits belong: the base that each builds on, or why it takes no place.
 */
import type { Commit, CommitOutcome } from "../../store/store.ts";
import { newToken } from "../token.ts";
import type { CommitDocument, Reservation } from "./driver.ts";
import { endSession } from "./end.ts";
import type { Head } from "./heads.ts";
import { readHeads } from "./heads.ts";
import type { Outcomes, Pending, Placed } from "./pending.ts";
import type { Base, Space } from "./space.ts";

/**
 * Finds the place of each item, and settles those that have none: they conflict, or were sent before. Creations of what
 * was removed just now are to begin again, and several commits that do not go together are to be split.
 */
export async function place(
  space: Space,
  open: readonly Pending[],
  outcomes: Outcomes,
  mayRecall: boolean,
): Promise<{ placed: Placed[]; again: Pending[]; split: Pending[] }> {
  const bases = new Map<Pending, Base>(mayRecall ? recall(space, open) : []);
  for (const [item, base] of await reserve(
    space,
    open.filter(({ first }) => first.expectedVersion === 0),
  ))
    bases.set(item, base);

  const unknown = open.filter((item) => !bases.has(item));
  const heads = await readHeads(
    space,
    unknown.map(({ first }) => first.sessionId),
    "must",
  );
  const refused = new Map<Pending, Head | undefined>();
  for (const [index, item] of unknown.entries()) {
    let head = heads[index];
    if (head?.isEnded) {
      await endSession(space, head);
      head = undefined;
    }
    if (head && isAt(head, item.first)) bases.set(item, head);
    else refused.set(item, head);
  }
  const taken = await findTaken(space, open, (item) => bases.get(item) ?? refused.get(item));
  const placed: Placed[] = [];
  const again: Pending[] = [];
  const split: Pending[] = [];
  for (const item of open) {
    const duplicate = taken.get(item);
    const base = bases.get(item);
    const head = refused.get(item);
    const [part, ...others] = item.parts;
    if (base && !duplicate) placed.push({ item, base, document: documentOf(item, base) });
    else if (others.length > 0 || !part) split.push(item);
    else if (duplicate) outcomes[part.position] = duplicate;
    else if (head === undefined && item.first.expectedVersion === 0) again.push(item);
    else outcomes[part.position] = conflict(head);
  }
  return { placed, again, split };
}

function conflict(head: Head | undefined): CommitOutcome {
  return head?.record ? { status: "conflict", current: head.record } : { status: "conflict" };
}

/** Those of which it is known, from a commit before, where they are. */
function* recall({ bases }: Space, open: readonly Pending[]): Iterable<[Pending, Base]> {
  for (const item of open) {
    const base = bases.get(item.draft.key);
    if (base && item.first.expectedVersion > 0 && isAt(base, item.first)) yield [item, base];
  }
}

/** Creates the session documents of creations; answers with those that have a life of their own now. */
async function reserve(space: Space, creations: readonly Pending[]): Promise<[Pending, Base][]> {
  if (creations.length === 0) return [];
  const reservations = creations.map(
    ({ last, draft }): Reservation => ({
      key: draft.key,
      space: space.path,
      id: last.sessionId,
      life: newToken(),
      atMs: Date.now(),
      record: last.record,
    }),
  );
  const made = await space.driver.reserve(reservations);
  return creations.flatMap((item, index): [Pending, Base][] => {
    const life = reservations[index]?.life;
    if (!made[index] || life === undefined) return [];
    return [[item, { life, ordinal: 0, version: 0, seq: 0, from: 0, createdAt: 0 }]];
  });
}

/** Whether `commit` is the next of a session that is at `base`. */
function isAt(base: Base, { expectedVersion, entries, record }: Commit): boolean {
  if (base.ordinal === 0) return expectedVersion === 0;
  return (
    expectedVersion === base.version &&
    record.createdAt === base.createdAt &&
    entries[0]?.seq === base.seq + 1
  );
}

/** Those of which the log holds one of their callers' ids already. */
async function findTaken(
  { driver, late }: Space,
  open: readonly Pending[],
  baseOf: (item: Pending) => Base | undefined,
): Promise<Map<Pending, CommitOutcome>> {
  const asked = open.filter((item) => item.draft.ids.length > 0 && (baseOf(item)?.ordinal ?? 0) > 0);
  if (asked.length === 0) return new Map();
  const lookups = asked.map((item) => ({
    life: baseOf(item)?.life ?? "",
    ids: item.draft.ids.map(({ id }) => id),
  }));
  const found = await driver.findIds(lookups);
  return new Map(
    asked.flatMap((item, index): [Pending, CommitOutcome][] => {
      const { life = "", ids = [] } = lookups[index] ?? {};
      let place = found[index];
      for (const id of late ? ids : []) place ??= late?.findId(item.draft.key, life, id);
      return place ? [[item, { status: "duplicate", entryId: place.id, seq: place.seq }]] : [];
    }),
  );
}

function documentOf({ draft }: Pending, { life, ordinal }: Base): CommitDocument {
  return { ...draft, life, ordinal: ordinal + 1 };
}
