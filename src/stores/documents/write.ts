/**
 * @module
 * Writes commits that have a place.
 */
import type { CommitDocument, Projection } from "./driver.ts";
import { endSession, isEnd } from "./end.ts";
import type { Outcomes, Pending, Placed } from "./pending.ts";
import type { Space } from "./space.ts";

/** Creates the documents, and hands on where sessions are now. Answers with the commits that are to begin again. */
export async function write(
  space: Space,
  placed: readonly Placed[],
  outcomes: Outcomes,
  project: (projection: Projection) => void,
): Promise<Pending[]> {
  if (placed.length === 0) return [];
  const { bases } = space;
  const isCreated = await create(
    space,
    placed.map(({ document }) => document),
  );
  const again: Pending[] = [];
  for (const [index, { item, base, document }] of placed.entries()) {
    const { key, life, ordinal, last: seq, ids } = document;
    if (!isCreated[index]) {
      bases.delete(key);
      again.push(item);
      continue;
    }
    const { record } = item.last;
    const { version, createdAt } = record;
    const from = base.ordinal === 0 ? document.first : base.from;
    bases.set(key, { life, ordinal, version, seq, from, createdAt });
    const commits = [{ ordinal, ids }];
    project({ key, space: space.path, life, ordinal, from, record, text: item.recordText, commits });
    for (const { position } of item.parts) outcomes[position] = { status: "committed" };
  }
  return again;
}

/**
 * Whether each document is there by this attempt: a client may have sent it twice, after a connection was lost. Where a
 * life was ended, what its remover may have left undone is done.
 */
async function create(space: Space, documents: readonly CommitDocument[]): Promise<boolean[]> {
  const { driver } = space;
  const created = await driver.createCommits(documents);
  const others = documents.filter((_, index) => !created[index]);
  if (others.length === 0) return created;
  const there = await driver.getCommits(others);
  const own = new Set(others.filter(({ attempt }, index) => there[index]?.attempt === attempt));
  for (const commit of there) if (commit && isEnd(commit)) await endSession(space, commit);
  return documents.map((document, index) => created[index] === true || own.has(document));
}
