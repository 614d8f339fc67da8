/**
 * @module
 * Commits: one statement writes a batch, each commit of it as a whole or not at all.
 *
 * The statement runs under READ COMMITTED, where it sees what was committed when it began, but a row that it locks as it
 * is once the lock is there. So versions are compared on locked rows: of two writers at one version, the second one waits
 * and then sees the first one's version. Rows are locked in the order of their ids, and then sessions are created in
 * that order, so that two batches never wait for each other.
 *
 * What the statement cannot see is entries that were committed while it waited. A commit that conflicts after such a wait
 * is looked at again for ids that are there by now. One that would write such an id breaks a unique index; that undoes
 * the whole statement, which is run again.
 *
 * @see https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
 */
import { HoldfastError } from "../../log/errors.ts";
import { decodeRecord } from "../../store/codec.ts";
import type { CommitOutcome } from "../../store/store.ts";
import { aliased, listed, selected } from "../sql/columns.ts";
import type { EncodedCommit } from "../sql/encode.ts";
import type { Row } from "../sql/rows.ts";
import { rowReader } from "../sql/rows.ts";
import type { Tables } from "../sql/tables.ts";
import { createAdvancer } from "./advance.ts";
import { createBatchAdvancer } from "./advance-all.ts";
import { inputSql, inputValues } from "./batch-rows.ts";
import { ADDED, CHANGED, castOf, keysOf } from "./columns.ts";
import type { Connection } from "./connection.ts";
import { NAME } from "./errors.ts";
import { pendingTable } from "./search-index.ts";
import { arrayText, storedText, textOf } from "./values.ts";

export type Committer = (namespace: string, commits: readonly EncodedCommit[]) => Promise<CommitOutcome[]>;

/** Characters of values that one statement carries, and that one commit may: a string of V8 takes 536 million. */
const STATEMENT_CHARACTERS = 16 * 1024 * 1024;
const COMMIT_CHARACTERS = 200 * 1024 * 1024;
/** How often a creation may find the session neither there nor free: it was removed in between each time. */
const MAX_ATTEMPTS = 20;

const { number, text, textOrNull } = rowReader(NAME);

/** A commit, and its place in the batch. */
interface Placed {
  readonly place: number;
  readonly encoded: EncodedCommit;
  readonly characters: number;
}

export function createCommitter(connection: Connection, tables: Tables): Committer {
  const advanceOne = createAdvancer(connection, tables);
  const advanceAll = createBatchAdvancer(connection, tables);
  const e = aliased("e", tables.columns.entries);
  const statement = commitSql(tables);
  const findId = `SELECT ${selected(e, "id", "seq")} FROM ${tables.entries} AS e WHERE ${e.session_key} = $1::text::bigint AND ${e.id} = ANY ($2::text::text[]) ORDER BY ${e.seq} LIMIT 1`;

  /** The outcome of a commit, `undefined` where it has to be sent again. */
  const outcomeOf = async (row: Row, { commit, ids }: EncodedCommit): Promise<CommitOutcome | undefined> => {
    if (row.committed === true) return { status: "committed" };
    const duplicate = textOrNull(row, "id");
    if (duplicate !== null) {
      return { status: "duplicate", entryId: textOf(duplicate), seq: number(row, "seq") };
    }
    const record = textOrNull(row, "record");
    // Another one created the session meanwhile, so the next statement finds it.
    if (record === null) return commit.expectedVersion === 0 ? undefined : { status: "conflict" };
    if (row.stale === true && ids.length > 0) {
      const [found] = await connection.query(findId, [text(row, "key"), arrayText(ids.map(storedText))]);
      if (found)
        return { status: "duplicate", entryId: textOf(text(found, "id")), seq: number(found, "seq") };
    }
    return { status: "conflict", current: decodeRecord(record, commit.sessionId, NAME) };
  };

  /** Those of `commits` that are as they usually are, and took place. */
  const advance = async (namespace: string, commits: readonly Placed[]): Promise<Set<Placed>> => {
    const [first, ...more] = commits;
    if (first && more.length === 0)
      return new Set((await advanceOne(namespace, first.encoded)) ? [first] : []);
    const places = await advanceAll(
      namespace,
      commits.map(({ encoded }) => encoded),
    );
    return new Set(commits.filter((_, place) => places.has(place)));
  };

  /** Sends commits of different sessions; answers with those to be sent again. */
  const send = async (
    namespace: string,
    commits: readonly Placed[],
    outcomes: CommitOutcome[],
  ): Promise<Placed[]> => {
    const advanced = await advance(namespace, commits);
    for (const { place } of advanced) outcomes[place] = { status: "committed" };
    const others = advanced.size === 0 ? commits : commits.filter((placed) => !advanced.has(placed));
    if (others.length === 0) return [];
    const encoded = others.map((placed) => placed.encoded);
    const rows = await connection.query(
      `WITH ${inputSql(encoded)},${statement}`,
      inputValues(namespace, encoded),
    );
    const again: Placed[] = [];
    for (const row of rows) {
      const placed = others[number(row, "ord")];
      if (!placed) continue;
      const outcome = await outcomeOf(row, placed.encoded);
      if (outcome) outcomes[placed.place] = outcome;
      else again.push(placed);
    }
    return again;
  };

  return async (namespace, commits) => {
    const outcomes: CommitOutcome[] = [];
    for (const statement of statementsOf(commits)) {
      let left = await send(namespace, statement, outcomes);
      for (let attempt = 1; left.length > 0; attempt += 1) {
        const [first] = left;
        if (attempt === MAX_ATTEMPTS && first) throw unsettled(first.encoded.commit.sessionId);
        left = await send(namespace, left, outcomes);
      }
    }
    return outcomes;
  };
}

/**
 * The commits as statements: of different sessions each, those of one session in order, and no more of them at once than
 * fit into a string. Nearly always one.
 */
function statementsOf(commits: readonly EncodedCommit[]): Placed[][] {
  const rounds: Placed[][] = [];
  const counts = new Map<string, number>();
  commits.forEach((encoded, place) => {
    const { sessionId } = encoded.commit;
    const characters = sizeOf(encoded);
    const round = counts.get(sessionId) ?? 0;
    counts.set(sessionId, round + 1);
    rounds[round] ??= [];
    rounds[round].push({ place, encoded, characters });
  });
  for (const round of rounds)
    round.sort((a, b) => (a.encoded.commit.sessionId < b.encoded.commit.sessionId ? -1 : 1));
  return rounds.flatMap(split);
}

function split(round: readonly Placed[]): Placed[][] {
  const parts: Placed[][] = [];
  let characters = Number.POSITIVE_INFINITY;
  for (const placed of round) {
    characters += placed.characters;
    if (characters > STATEMENT_CHARACTERS) {
      parts.push([]);
      characters = placed.characters;
    }
    parts.at(-1)?.push(placed);
  }
  return parts;
}

function sizeOf({ commit, record, entries }: EncodedCommit): number {
  let characters = record.length;
  for (const { data, text: words } of entries) characters += data.length + (words?.length ?? 0);
  if (characters <= COMMIT_CHARACTERS) return characters;
  throw new HoldfastError(
    "ENTRY_TOO_LARGE",
    `a commit to session ${JSON.stringify(commit.sessionId)} holds ${characters} characters and the postgres store takes at most ${COMMIT_CHARACTERS} at once; split it into several`,
    { sessionId: commit.sessionId, store: NAME },
  );
}

function unsettled(sessionId: string): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `session ${JSON.stringify(sessionId)} was created and removed by others each time it was to be created here; nothing was written: try again`,
    { sessionId, store: NAME },
  );
}

/**
 * What follows the input in the statement for any batch. LATERAL has the planner look each session up.
 *
 * - `locked`: the rows of the sessions that exist, locked, as they are now.
 * - `known`: which commits carry an id that their session holds already.
 * - `made`, `advanced`: the sessions whose commit takes place. The counts that are never false keep the order: first all
 *   locks, then all creations, then all updates. A creation waits for a row that is updated, but not for one that is
 *   locked; so whoever has updated a row must have nothing left to wait for, or two batches could wait for each other.
 *
 * Answers with a row a commit. `stale`: the session moved on while the statement waited for its row.
 */
function commitSql(tables: Tables): string {
  const { sessions, entries, columns } = tables;
  const s = aliased("s", columns.sessions);
  const e = aliased("e", columns.entries);
  const changed = keysOf(CHANGED);
  const change = changed
    .map((column) => `${columns.sessions[column]} = i.${column}${castOf(column)}`)
    .join(", ");
  const create = changed.map((column) => `i.${column}${castOf(column)}`).join(", ");
  const append = keysOf(ADDED);
  return `
locked AS MATERIALIZED (
  SELECT i.ord, found.*
  FROM input AS i CROSS JOIN LATERAL (
    SELECT ${selected(s, "key", "version", "created_at", "record")} FROM ${sessions} AS s
    WHERE ${s.namespace} = $1::text AND ${s.id} = i.id FOR NO KEY UPDATE
  ) AS found
),
known AS MATERIALIZED (
  SELECT DISTINCT ON (a.ord) a.ord, found.id, found.seq
  FROM added AS a JOIN locked AS l ON l.ord = a.ord
  CROSS JOIN LATERAL (
    SELECT ${selected(e, "id", "seq")} FROM ${entries} AS e WHERE ${e.session_key} = l.key AND ${e.id} = a.id LIMIT 1
  ) AS found
  WHERE a.id IS NOT NULL ORDER BY a.ord, found.seq
),
made AS (
  INSERT INTO ${sessions} AS s (${listed(columns.sessions, "namespace", "id", "created_at", ...changed)})
  SELECT $1::text, i.id, i.created_at, ${create}
  FROM input AS i
  WHERE (SELECT count(*) FROM locked) >= 0 AND i.expected = 0 AND NOT EXISTS (SELECT FROM locked AS l WHERE l.ord = i.ord)
  ORDER BY i.ord
  ON CONFLICT (${listed(columns.sessions, "namespace", "id")}) DO NOTHING
  RETURNING ${selected(s, "id", "key")}
),
advanced AS (
  UPDATE ${sessions} AS s SET ${change}
  FROM input AS i JOIN locked AS l ON l.ord = i.ord
  WHERE (SELECT count(*) FROM locked) >= 0 AND (SELECT count(*) FROM made) >= 0
    AND ${s.key} = l.key AND i.expected > 0 AND ${s.version} = i.expected AND l.version = i.expected
    AND l.created_at = i.created_at AND NOT EXISTS (SELECT FROM known AS k WHERE k.ord = i.ord)
  RETURNING i.ord, ${s.key} AS key
),
done AS MATERIALIZED (
  SELECT ord, key FROM advanced UNION ALL SELECT i.ord, m.key FROM made AS m JOIN input AS i ON i.id = m.id
),
written AS (
  INSERT INTO ${entries} (${listed(columns.entries, "session_key", ...append)})
  SELECT d.key, ${append.map((column) => `a.${column}`).join(", ")} FROM added AS a JOIN done AS d ON d.ord = a.ord
),
noted AS (
  INSERT INTO ${pendingTable(tables)} (session_key, seq)
  SELECT d.key, a.seq FROM added AS a JOIN done AS d ON d.ord = a.ord WHERE a.searched
)
SELECT i.ord, d.key IS NOT NULL AS committed, k.id AS id, k.seq AS seq,
  CASE WHEN d.key IS NULL THEN l.record END AS record,
  CASE WHEN d.key IS NULL THEN l.key::text END AS key,
  CASE WHEN d.key IS NULL AND k.ord IS NULL AND l.key IS NOT NULL
    THEN l.version IS DISTINCT FROM (SELECT ${s.version} FROM ${sessions} AS s WHERE ${s.key} = l.key) END AS stale
FROM input AS i
LEFT JOIN done AS d ON d.ord = i.ord
LEFT JOIN known AS k ON k.ord = i.ord
LEFT JOIN locked AS l ON l.ord = i.ord`;
}
