/**
 * @module
 * Writes commits that have a place.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { Commit } from "../../store/store.ts";
import type { CommitDocument } from "./driver.ts";
import type { Outcomes, Pending, Placed } from "./pending.ts";
import type { Space } from "./space.ts";

/** Creates the documents and moves the projections on. Answers with the commits that are to begin again. */
export async function write(space: Space, placed: readonly Placed[], outcomes: Outcomes): Promise<Pending[]> {
  if (placed.length === 0) return [];
  const { driver, bases } = space;
  const isCreated = await create(
    space,
    placed.map(({ document }) => document),
  );
  const again: Pending[] = [];
  const created: Placed[] = [];
  for (const [index, one] of placed.entries()) {
    if (isCreated[index]) created.push(one);
    else {
      bases.delete(one.document.key);
      again.push(one.item);
    }
  }
  if (created.length === 0) return again;
  const moved = await driver.advance(
    created.map(({ item, base, document }) => ({
      key: document.key,
      space: space.path,
      life: document.life,
      ordinal: document.ordinal,
      from: base.ordinal === 0 ? document.first : base.from,
      record: item.commit.record,
      text: item.recordText,
      commits: [document],
    })),
  );
  const lost = await withdrawEnded(
    space,
    created.filter((_, index) => !moved[index]),
  );
  for (const one of created) {
    if (lost.has(one)) {
      again.push(one.item);
      continue;
    }
    const { item, base, document } = one;
    const { version, createdAt } = item.commit.record;
    const from = base.ordinal === 0 ? document.first : base.from;
    const { life, ordinal, last: seq, key } = document;
    bases.set(key, { life, ordinal, version, seq, from, createdAt });
    outcomes[item.position] = { status: "committed" };
  }
  return again;
}

/** Whether each document is there by this attempt: a client may have sent it twice, after a connection was lost. */
async function create({ driver }: Space, documents: readonly CommitDocument[]): Promise<boolean[]> {
  const created = await driver.createCommits(documents);
  const others = documents.filter((_, index) => !created[index]);
  if (others.length === 0) return created;
  const there = await driver.getCommits(others);
  const own = new Set(others.filter(({ attempt }, index) => there[index]?.attempt === attempt));
  return documents.map((document, index) => created[index] === true || own.has(document));
}

/**
 * Of commits whose projection did not move: takes away the documents of those whose life was ended, and answers with
 * these. The others were overtaken, so they took place.
 */
async function withdrawEnded(space: Space, unmoved: readonly Placed[]): Promise<Set<Placed>> {
  const ended = new Set<Placed>();
  if (unmoved.length === 0) return ended;
  const present = await space.driver.getSessions(
    unmoved.map(({ document }) => document.key),
    false,
  );
  for (const [index, one] of unmoved.entries()) {
    const session = present[index];
    const { life, ordinal, key } = one.document;
    if (session?.life === life && session.ordinal >= ordinal) continue;
    if (session?.life === life) throw unknown(space, one.item.commit);
    space.bases.delete(key);
    await space.driver.deleteCommit({ life, ordinal });
    ended.add(one);
  }
  return ended;
}

/** The engine answered a write by one state and a read by another, so it does not keep what `driver.ts` asks of it. */
function unknown({ name }: Space, { sessionId }: Commit): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the ${name} store can't tell whether a commit to session ${JSON.stringify(sessionId)} took place, because the server's answers contradict each other; read the session to find out`,
    { sessionId, store: name },
  );
}
