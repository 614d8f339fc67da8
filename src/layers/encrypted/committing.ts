/**
 * @module
 * Commits, sealed. All of a batch is made text of and checked before anything is written, and before anything waits, so that
 * its caller may go on with the objects.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { checkSize, encodeData } from "../../store/codec.ts";
import type { Commit, CommitOutcome, SessionStore, StoreCapabilities } from "../../store/store.ts";
import type { Blind } from "./blind.ts";
import { MAX_SEALED, sealText } from "./cipher.ts";
import type { DataKey, DataKeys } from "./data-keys.ts";
import type { Opening } from "./opening.ts";
import { entryBinding, recordBinding, sealedRecordOf, sealedTextOf } from "./opening.ts";
import { innerEntry, innerRecord, isBlinded } from "./shadow.ts";

interface Prepared {
  readonly index: number;
  readonly commit: Commit;
  readonly entries: readonly string[];
  readonly record: string;
}

/** The key that a session was written with last. */
interface Writing {
  readonly keyId: string;
  /** Tells this life of the session from another under the same id. */
  readonly createdAt: number;
}

/** Sessions whose key is known without asking. */
const KNOWN_SESSIONS = 10_000;

export interface CommittingParts {
  readonly store: SessionStore;
  readonly capabilities: StoreCapabilities;
  readonly keys: DataKeys;
  readonly opening: Opening;
  readonly blind: () => Blind | Promise<Blind>;
}

export function createCommitting(parts: CommittingParts): SessionStore["commit"] {
  const { store, capabilities, keys, opening, blind } = parts;
  const writing = new Map<string, Writing>();

  function prepare(commit: Commit, index: number): Prepared {
    const { sessionId, entries, record } = commit;
    // Each entry, and the record with each commit, is sealed once; half is left for attempts that failed.
    if (record.seq + record.version > MAX_SEALED / 2) {
      throw new HoldfastError(
        "UNSUPPORTED",
        `session ${JSON.stringify(sessionId)} has as many entries as may be encrypted under one key; fork it and go on there`,
        { sessionId, store: store.name },
      );
    }
    const texts = entries.map((entry) => {
      const text = sealedTextOf(entry, encodeData(entry));
      checkSize(text, sessionId, store.name, capabilities);
      return text;
    });
    return { index, commit, entries: texts, record: sealedRecordOf(record) };
  }

  function seal({ commit, entries, record }: Prepared, key: DataKey, blinded: Blind | undefined): Commit {
    return {
      sessionId: commit.sessionId,
      expectedVersion: commit.expectedVersion,
      entries: commit.entries.map((entry, at) =>
        innerEntry(entry, sealText(key, entries[at] ?? "", entryBinding(key, entry)), blinded),
      ),
      record: innerRecord(commit.record, sealText(key, record, recordBinding(key)), blinded),
    };
  }

  /** The keys of sessions that are there; a session that isn't has none. */
  async function keysOf(commits: readonly Prepared[]): Promise<Map<string, DataKey>> {
    const found = new Map<string, DataKey>();
    const unknown = new Set<string>();
    for (const { commit } of commits) {
      const { sessionId, record } = commit;
      const last = writing.get(sessionId);
      const key = last?.createdAt === record.createdAt ? keys.peek(last.keyId, sessionId) : undefined;
      if (key) found.set(sessionId, key);
      else unknown.add(sessionId);
    }
    if (unknown.size === 0) return found;
    const records = (await store.find([...unknown])).filter((record) => record !== undefined);
    const wanted = records.map((record) => ({
      keyId: opening.keyIdOf(record),
      sessionId: record.id,
      what: `session ${JSON.stringify(record.id)}`,
    }));
    const loaded = await keys.load(wanted);
    for (const [at, { keyId, sessionId }] of wanted.entries()) {
      const key = loaded.get(keyId);
      const record = records[at];
      if (key) found.set(sessionId, key);
      if (key && record) know(record, keyId);
    }
    return found;
  }

  function know({ id, createdAt }: Pick<SessionRecord, "id" | "createdAt">, keyId: string): void {
    if (writing.size >= KNOWN_SESSIONS) writing.clear();
    writing.set(id, { keyId, createdAt });
  }

  /** Commits what can be sent together: no session that is created has more than its creation in it. */
  async function commitRound(round: readonly Prepared[], outcomes: CommitOutcome[]): Promise<void> {
    const created = round.filter(({ commit }) => commit.expectedVersion === 0);
    const others = created.length === 0 ? round : round.filter(({ commit }) => commit.expectedVersion !== 0);
    const known = others.length === 0 ? new Map<string, DataKey>() : await keysOf(others);
    const asking = round.some(({ commit }) => needsBlind(commit)) ? blind() : undefined;
    const blinded = asking instanceof Promise ? await asking : asking;
    const fresh =
      created.length === 0 ? [] : await keys.create(created.map(({ commit }) => commit.sessionId));
    const freshOf = new Map(created.map((prepared, at) => [prepared.index, fresh[at]]));

    const sent: Prepared[] = [];
    const commits: Commit[] = [];
    for (const prepared of round) {
      const key = freshOf.get(prepared.index) ?? known.get(prepared.commit.sessionId);
      if (key) {
        sent.push(prepared);
        commits.push(seal(prepared, key, blinded));
      } else {
        outcomes[prepared.index] = { status: "conflict" };
      }
    }
    const answers = await committed(commits, fresh);
    const useless: DataKey[] = [];
    for (const [at, prepared] of sent.entries()) {
      const answer = answers[at];
      if (!answer) continue;
      const key = freshOf.get(prepared.index);
      if (key && answer.status === "committed") know(prepared.commit.record, key.id);
      else if (key) useless.push(key);
      outcomes[prepared.index] = answer.status === "conflict" ? await opened(answer) : answer;
    }
    await destroy(useless);
  }

  async function committed(commits: readonly Commit[], fresh: readonly DataKey[]): Promise<CommitOutcome[]> {
    try {
      return await store.commit(commits);
    } catch (error) {
      // Where it isn't known whether a session was created, its key has to stay.
      const isRefused = HoldfastError.is(error) && !error.retryable && error.code !== "STORE_UNAVAILABLE";
      if (isRefused) await destroy(fresh);
      throw error;
    }
  }

  async function opened(outcome: CommitOutcome & { readonly status: "conflict" }): Promise<CommitOutcome> {
    const [current] = await opening.records([outcome.current]).catch(async (error: unknown) => {
      // It may have been removed since, with its key.
      const found = outcome.current ? await store.find([outcome.current.id]) : [];
      if (found[0] === undefined) return [];
      throw error;
    });
    return { status: "conflict", ...(current && { current }) };
  }

  /** What can't be destroyed now is left over, and found as such later. */
  async function destroy(useless: readonly DataKey[]): Promise<void> {
    await Promise.allSettled(useless.map(({ id, sessionId }) => keys.destroy(sessionId, new Set([id]))));
  }

  /** One commit to a session that is known, as nearly all are: nothing is asked for but the index key, once. */
  async function commitKnown(prepared: Prepared): Promise<CommitOutcome[] | undefined> {
    const { commit } = prepared;
    const last = writing.get(commit.sessionId);
    if (commit.expectedVersion === 0 || last?.createdAt !== commit.record.createdAt) return undefined;
    const key = keys.peek(last.keyId, commit.sessionId);
    if (!key) return undefined;
    const asking = needsBlind(commit) ? blind() : undefined;
    const blinded = asking instanceof Promise ? await asking : asking;
    const [answer] = await store.commit([seal(prepared, key, blinded)]);
    if (!answer) return [];
    return [answer.status === "conflict" ? await opened(answer) : answer];
  }

  return async (commits) => {
    const prepared = commits.map(prepare);
    const [only] = prepared;
    if (!only) return store.commit([]);
    const answers = prepared.length === 1 ? await commitKnown(only) : undefined;
    if (answers) return answers;
    const outcomes: CommitOutcome[] = [];
    let open: readonly Prepared[] = prepared;
    while (open.length > 0) {
      const [round, later] = splitRound(open);
      await commitRound(round, outcomes);
      open = later;
    }
    return outcomes;
  };
}

/** Whether anything of the commit has a blind value. */
function needsBlind({ record, entries }: Commit): boolean {
  if (record.label !== undefined || entries.some(isBlinded)) return true;
  for (const _key in record.metadata) return true;
  return false;
}

/** What follows a session's creation waits for it, because its key is known then. */
function splitRound(prepared: readonly Prepared[]): readonly [Prepared[], Prepared[]] {
  const round: Prepared[] = [];
  const later: Prepared[] = [];
  const held = new Set<string>();
  for (const one of prepared) {
    const { sessionId, expectedVersion } = one.commit;
    (held.has(sessionId) ? later : round).push(one);
    if (expectedVersion === 0) held.add(sessionId);
  }
  return [round, later];
}
