/**
 * @module
 * Commits: a batch is one transaction, of which each commit takes place as a whole or not at all.
 *
 * All sessions of a batch are locked by one statement, in the order of their ids; then what each is at is compared with
 * what its commit expects, and what takes place is written by a few statements for all of them. Whoever holds a
 * session's row is the only one who writes to its log. Sessions are created after all locks were taken, by an INSERT
 * that fails where one is there already; then all is undone and done again with that one among the locked.
 *
 * Ids that do not exist are not locked, because InnoDB locks what is around them, and two batches that do so wait for
 * each other. Where they do so nonetheless, the server undoes one of them, which is then run again.
 *
 * What is read after the locks is read without one: a transaction sees what was committed before its first such read.
 *
 * @see https://dev.mysql.com/doc/refman/8.4/en/innodb-locking.html#innodb-gap-locks
 * @see https://dev.mysql.com/doc/refman/8.4/en/innodb-consistent-read.html
 */
import { HoldfastError } from "../../log/errors.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { CommitOutcome } from "../../store/store.ts";
import type { EncodedCommit } from "../sql/encode.ts";
import type { SqlTables } from "../sql/names.ts";
import { roundsOf } from "../sql/rounds.ts";
import { createAdvancer } from "./advance.ts";
import type { Session } from "./client.ts";
import type { Bound } from "./columns.ts";
import { ADDED, bind, CHANGED, CREATED, rowBytes } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { UNDO } from "./connection.ts";
import { isDuplicateKey, NAME } from "./errors.ts";
import { createLookups } from "./lookups.ts";
import { rowInserter, updateRows } from "./rows.ts";
import type { SqlValue } from "./values.ts";

export type Committer = (namespace: string, commits: readonly EncodedCommit[]) => Promise<CommitOutcome[]>;

/** A statement takes some bytes beside its large values. */
const STATEMENT_BYTES = 4096;
/** How often a creation may find the session neither there nor free: it was removed in between each time. */
const MAX_ATTEMPTS = 20;

interface Placed extends Bound {
  readonly place: number;
}

export function createCommitter(connection: Connection, tables: SqlTables): Committer {
  const lookups = createLookups(tables);
  const advanceOne = createAdvancer(connection, tables);
  const insertSessions = rowInserter(tables.sessions, CREATED);
  const insertEntries = rowInserter(tables.entries, ADDED);

  /** The keys of the sessions that it creates; throws where one is there. */
  const createAll = async (
    session: Session,
    namespace: string,
    commits: readonly Placed[],
  ): Promise<Map<string, number>> => {
    const insertId = await insertSessions(
      session,
      commits.map(({ id, encoded, changed }) => [
        Buffer.from(namespace),
        id,
        encoded.commit.record.createdAt,
        ...changed(),
      ]),
    );
    const [only] = commits;
    if (commits.length === 1 && only && insertId !== 0)
      return new Map([[only.encoded.commit.sessionId, insertId]]);
    return lookups.keys(session, namespace, idsOf(commits));
  };

  /** Updates the sessions that are there, and writes the entries of all. */
  const write = async (session: Session, winners: ReadonlyMap<Placed, number>): Promise<void> => {
    const all = [...winners];
    const updated = all.filter(([{ encoded }]) => encoded.commit.expectedVersion > 0);
    const changed = updated.map(([{ changed }, key]): [number, readonly SqlValue[]] => [key, changed()]);
    await updateRows(session, tables.sessions, CHANGED, changed);
    const added = all.flatMap(([bound, key]) => bound.added.map((row): SqlValue[] => [key, ...row]));
    await insertEntries(session, added);
  };

  /** One attempt at commits of different sessions. `known`: the ids of sessions to be created that are there already. */
  const attempt = async (
    session: Session,
    namespace: string,
    commits: readonly Placed[],
    known: ReadonlySet<string>,
  ): Promise<Map<Placed, CommitOutcome> | typeof UNDO> => {
    const isNew = ({ encoded: { commit } }: Placed): boolean =>
      commit.expectedVersion === 0 && !known.has(commit.sessionId);
    const there = commits.filter((commit) => !isNew(commit));
    const locked = await lookups.lock(session, namespace, idsOf(there));
    const outcomes = new Map<Placed, CommitOutcome>();
    const winners = new Map<Placed, number>();
    const created = commits.filter(
      ({ encoded: { commit } }) => commit.expectedVersion === 0 && !locked.has(commit.sessionId),
    );
    if (created.length > 0) {
      try {
        const keys = await createAll(session, namespace, created);
        for (const commit of created) {
          const key = keys.get(commit.encoded.commit.sessionId);
          if (key === undefined) return UNDO;
          winners.set(commit, key);
        }
      } catch (error) {
        if (isDuplicateKey(error)) return UNDO;
        throw error;
      }
    }
    const pairs = commits.flatMap(({ encoded, ids }) => {
      const found = locked.get(encoded.commit.sessionId);
      return found ? ids.map((id): [number, Buffer] => [found.key, id]) : [];
    });
    const duplicates = await lookups.duplicates(session, pairs);
    const conflicts = new Map<Placed, number>();
    for (const placed of commits) {
      const { sessionId, expectedVersion, record } = placed.encoded.commit;
      const found = locked.get(sessionId);
      if (!found) {
        if (expectedVersion > 0) outcomes.set(placed, { status: "conflict" });
        continue;
      }
      const duplicate = duplicates.get(found.key);
      if (duplicate) outcomes.set(placed, duplicate);
      else if (found.version === expectedVersion && found.createdAt === record.createdAt)
        winners.set(placed, found.key);
      else conflicts.set(placed, found.key);
    }
    const records = await lookups.records(session, [...conflicts.values()]);
    for (const [placed, key] of conflicts) {
      const current = decodeRecord(records.get(key) ?? "", placed.encoded.commit.sessionId, NAME);
      outcomes.set(placed, { status: "conflict", current });
    }
    await write(session, winners);
    for (const placed of winners.keys()) outcomes.set(placed, { status: "committed" });
    return outcomes;
  };

  const settle = async (
    namespace: string,
    commits: readonly Placed[],
  ): Promise<ReadonlyMap<Placed, CommitOutcome>> => {
    let known: ReadonlySet<string> = new Set();
    for (let count = 1; count <= MAX_ATTEMPTS; count += 1) {
      const outcomes = await connection.transaction((session) => attempt(session, namespace, commits, known));
      if (outcomes !== UNDO) return outcomes;
      const created = commits.filter(({ encoded }) => encoded.commit.expectedVersion === 0);
      known = new Set((await lookups.keys(connection, namespace, idsOf(created))).keys());
    }
    throw unsettled(commits);
  };

  return async (namespace, commits) => {
    const { packetBytes } = await connection.settings();
    const rounds = roundsOf(commits).map((round) =>
      round.map(({ place, encoded }): Placed => ({ place, ...bind(encoded) })),
    );
    for (const placed of rounds.flat()) checkPackets(placed, packetBytes);
    const outcomes: CommitOutcome[] = [];
    for (const round of rounds) {
      const [only] = round;
      if (round.length === 1 && only && (await advanceOne(namespace, only))) {
        outcomes[only.place] = { status: "committed" };
        continue;
      }
      // In the order of their ids, in which rows are locked and then sessions created.
      const ordered = round.toSorted((a, b) => Buffer.compare(a.id, b.id));
      for (const [placed, outcome] of await settle(namespace, ordered)) outcomes[placed.place] = outcome;
    }
    return outcomes;
  };
}

function checkPackets({ encoded, record, changed, added }: Placed, packetBytes: number): void {
  const { sessionId } = encoded.commit;
  const refuse = (what: string, bytes: number): never => {
    throw new HoldfastError(
      "ENTRY_TOO_LARGE",
      `${what} of session ${JSON.stringify(sessionId)} takes ${bytes} bytes and the server takes at most ${packetBytes} at once; raise its max_allowed_packet, or keep the large part elsewhere and store a reference`,
      { sessionId, store: NAME },
    );
  };
  // What is made of its metadata beside it takes no more than six times its bytes.
  if (8 * record.length + STATEMENT_BYTES > packetBytes) {
    const bytes = rowBytes(changed()) + STATEMENT_BYTES;
    if (bytes > packetBytes) refuse("the record", bytes);
  }
  for (const row of added) {
    const rowSize = rowBytes(row) + STATEMENT_BYTES;
    if (rowSize > packetBytes) refuse("an entry", rowSize);
  }
}

function idsOf(commits: readonly Placed[]): Buffer[] {
  return commits.map(({ id }) => id);
}

function unsettled(commits: readonly Placed[]): HoldfastError {
  const sessionId = commits.find(({ encoded }) => encoded.commit.expectedVersion === 0)?.encoded.commit
    .sessionId;
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `session ${JSON.stringify(sessionId)} was created and removed by others each time it was to be created here; nothing was written: try again`,
    { sessionId, store: NAME },
  );
}
