/**
 * @module
 * Commits: to the primary, or where that can't be reached to the replica, after the journal says that they are owed.
 *
 * Called with the lanes of all its sessions held, so that whatever becomes of a commit is known before the next one.
 */
import { isKnown } from "../../log/entry.ts";
import { invalidArgument } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import type { Commit, CommitOutcome } from "../../store/store.ts";
import type { Core, Space } from "./core.ts";
import type { Debt } from "./journal.ts";
import { keyOf } from "./journal.ts";
import { notHeld, refused } from "./outage.ts";

interface Item {
  /** Its place in the batch. */
  readonly index: number;
  readonly commit: Commit;
  /** Whether the primary was sent it, and no answer came. */
  readonly isSent: boolean;
}

/** @throws as `SessionStore.commit` does; what could be committed by then is, as its sender finds out by reading */
export async function commitHere(
  core: Core,
  space: Space,
  commits: readonly Commit[],
): Promise<CommitOutcome[]> {
  const { gate, journal } = core;
  const isOwed = ({ sessionId }: Commit): boolean => journal.debts.has(keyOf(space.namespace, sessionId));
  const outcomes = new Map<number, CommitOutcome>();
  const there: Item[] = [];
  let here: Item[] = [];
  for (const [index, commit] of commits.entries()) {
    const isHere = !gate.isAsking || isOwed(commit);
    (isHere ? here : there).push({ index, commit, isSent: false });
  }
  // Before anything of the batch is written: what the primary would refuse later must not be acknowledged now.
  core.checkSizes(here.map(({ commit }) => commit));
  if (there.length > 0) {
    const sent = there.map(({ commit }) => commit);
    try {
      const answers = await core.ask(() => space.below.commit(sent));
      space.mirror.wrote(sent.filter((_commit, index) => answers[index]?.status === "committed"));
      // Who lost against another node knows its record from here on.
      for (const [index, answer] of answers.entries())
        if (answer.status === "conflict") space.mirror.saw([sent[index]?.sessionId ?? ""], [answer.current]);
      for (const [index, answer] of answers.entries()) outcomes.set(there[index]?.index ?? -1, answer);
    } catch (error) {
      if (!core.isOutage(error)) throw error;
      core.met(error);
      core.checkSizes(sent);
      here = [...here, ...there.map((item) => ({ ...item, isSent: true }))];
    }
  }
  if (here.length > 0) await journalAll(core, space, here, outcomes);
  return commits.flatMap((_commit, index) => outcomes.get(index) ?? []);
}

async function journalAll(
  core: Core,
  space: Space,
  items: readonly Item[],
  outcomes: Map<number, CommitOutcome>,
): Promise<void> {
  const { journal, counts } = core;
  const { mirror, namespace, replica } = space;
  await mirror.flush();
  const records = await replica.find(items.map(({ commit }) => commit.sessionId));
  const fresh = new Map<string, Debt>();
  const going: Item[] = [];
  let refusal: unknown;
  for (const [position, item] of items.entries()) {
    const { commit, isSent } = item;
    const key = keyOf(namespace, commit.sessionId);
    const debt = journal.debts.get(key) ?? fresh.get(key);
    try {
      refuseOlder(core, space, commit, records[position], fresh.has(key));
      const owed = debt ?? newDebt(core, space, item, records[position]);
      if (owed && (owed.base || owed.isSent || isSent)) refuseEnd(space, commit);
      if (owed && !debt) fresh.set(key, owed);
      refusePastBase(core, space, commit, fresh);
      going.push(item);
    } catch (error) {
      refusal ??= error;
    }
  }
  await journal.owe([...fresh.values()]);
  const answers = going.length > 0 ? await replica.commit(going.map(({ commit }) => commit)) : [];
  for (const [position, answer] of answers.entries()) {
    if (answer.status === "committed") counts.journaled += 1;
    outcomes.set(going[position]?.index ?? -1, answer);
  }
  if (refusal !== undefined) throw refusal;
}

/**
 * What the journal must say before the commit is written here; `undefined` where it is to be refused as a conflict.
 *
 * @throws STORE_UNAVAILABLE where it can't be known what the session is at
 */
function newDebt(core: Core, space: Space, item: Item, have: SessionRecord | undefined): Debt | undefined {
  const { commit, isSent } = item;
  const { sessionId, expectedVersion, record, entries } = commit;
  const { namespace, mirror, below } = space;
  if (have ? mirror.isOld(have) : expectedVersion !== 0)
    throw notHeld(below.name, sessionId, have !== undefined, core.gate.cause);
  if (entries[0]?.commit === undefined) {
    throw invalidArgument(
      `a commit to session ${JSON.stringify(sessionId)} has no id; the first entry of each must carry one`,
      sessionId,
    );
  }
  if (!have) return { namespace, sessionId, isSent };
  if (have.version !== expectedVersion || have.createdAt !== record.createdAt) return undefined;
  const { version, seq, createdAt } = have;
  return { namespace, sessionId, base: { version, seq, createdAt }, isSent };
}

/** Who knows a later version than the replica has must not be told an earlier one: versions only grow. */
function refuseOlder(
  core: Core,
  { below }: Space,
  { sessionId, expectedVersion, record }: Commit,
  have: SessionRecord | undefined,
  isFresh: boolean,
): void {
  if (isFresh || !have || have.createdAt !== record.createdAt || have.version >= expectedVersion) return;
  throw notHeld(below.name, sessionId, true, core.gate.cause);
}

/** Whether a session may end depends on what inherits from it, which only the primary knows. */
function refuseEnd({ below }: Space, { sessionId, entries }: Commit): void {
  if (!entries.some(({ type }) => type === "session.deleted" || type === "lineage.erased")) return;
  throw refused(below.name, "deleting a session", "what inherits from it can't be known", sessionId);
}

/** What another session wrote here may get other positions when it is replayed, so nothing may inherit it yet. */
function refusePastBase(
  { journal }: Core,
  { namespace, below }: Space,
  { sessionId, entries }: Commit,
  fresh: ReadonlyMap<string, Debt>,
): void {
  const [first] = entries;
  if (!first || !isKnown(first) || first.type !== "session.created") return;
  for (const { id, upTo } of first.data.lineage ?? []) {
    const key = keyOf(namespace, id);
    const debt = journal.debts.get(key) ?? fresh.get(key);
    if (!debt || upTo <= (debt.base?.seq ?? 0)) continue;
    throw refused(
      below.name,
      `forking session ${JSON.stringify(id)} at position ${upTo}`,
      `that was written during the outage and may get another position${debt.base ? `; it can be forked up to ${debt.base.seq} now` : ""}`,
      sessionId,
    );
  }
}
