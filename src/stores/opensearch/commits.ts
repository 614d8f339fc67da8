/**
 * @module
 * Commit documents, and one small document for each id of a caller, which says where in its log that id is.
 */
import { createHash } from "node:crypto";
import type {
  CommitDocument,
  CommitPlace,
  DocumentDriver,
  EntryPlace,
  Projection,
  StoredCommit,
} from "../documents/driver.ts";
import { ATTEMPT_MS } from "../documents/driver.ts";
import { isEnd } from "../documents/end.ts";
import type { Fields } from "./answers.ts";
import { listAt, numberOf, textOf } from "./answers.ts";
import { ofSpace, spaceName } from "./conditions.ts";
import type { Documents, Write } from "./documents.ts";
import { FIRST_STEP, nextStep, readRange } from "./range.ts";
import type { Reach } from "./reach.ts";
import { holdsWord, wordsOf } from "./words.ts";

export type CommitsDriver = Pick<
  DocumentDriver,
  "createCommits" | "getCommits" | "readCommits" | "findIds" | "deleteLife" | "searchCommits"
> & {
  /** Writes the ids of the commits that `projections` are about to move past. */
  writeIds(projections: readonly Projection[]): Promise<void>;
  /** Takes those ids away again. */
  dropIds(projections: readonly Projection[]): Promise<void>;
};

/** Documents of one step of a removal. */
const ENDS_AT_ONCE = 1024;
const BOUNDS = ["first", "last"] as const;

export function commitsDriver(documents: Documents, index: string, reach: Reach): CommitsDriver {
  const fetchAll = async (places: readonly CommitPlace[]): Promise<(StoredCommit | undefined)[]> => {
    const found = await documents.get(index, places.map(commitId));
    return found.map((one) => one && commitOf(one.source));
  };

  /** Makes ends of the documents before `end` that were created lately; answers with the lowest number of one. */
  const endRecent = async (life: string, end: number): Promise<number> => {
    const since = Date.now() - ATTEMPT_MS;
    for (let from = end; ; ) {
      const length = Math.min(from - 1, ENDS_AT_ONCE);
      const ordinals = Array.from({ length }, (_, at) => from - 1 - at);
      const found = await documents.get(
        index,
        ordinals.map((ordinal) => commitId({ life, ordinal })),
        ["key", "madeAt"],
      );
      const old = found.findIndex((one) => numberOf(one?.source.madeAt) < since);
      const recent = found.slice(0, old < 0 ? length : old);
      await documents.write(
        recent.map((one, at): Write => {
          const ordinal = ordinals[at] ?? 0;
          const source = { key: one?.source.key, life, ordinal, madeAt: one?.source.madeAt };
          return { action: "index", index, id: commitId({ life, ordinal }), source };
        }),
      );
      from -= recent.length;
      if (old >= 0 || from <= 1) return from;
    }
  };

  return {
    async createCommits(commits) {
      const written = await documents.write(
        commits.map((commit): Write => {
          return { action: "create", index, id: commitId(commit), source: fieldsOf(commit) };
        }),
      );
      return written.map(({ status }, at) => {
        const commit = commits[at];
        if (status === "done" && commit && !isEnd(commit)) reach.note(commit.life, commit);
        return status === "done";
      });
    },

    getCommits: fetchAll,

    readCommits(life, range) {
      const placesOf = (ordinals: readonly number[]): CommitPlace[] =>
        ordinals.map((ordinal) => ({ life, ordinal }));
      return readRange(
        {
          name: life,
          reach,
          async fetch(ordinals) {
            const found = await fetchAll(placesOf(ordinals));
            return found.map((one) => (one && !isEnd(one) ? one : undefined));
          },
          async fetchBounds(ordinals) {
            const found = await documents.get(index, placesOf(ordinals).map(commitId), BOUNDS);
            return found.map((one) => {
              const bounds = { first: numberOf(one?.source.first), last: numberOf(one?.source.last) };
              return one && !isEnd(bounds) ? bounds : undefined;
            });
          },
        },
        range,
      );
    },

    async findIds(lookups) {
      const asked = lookups.flatMap(({ life, ids }) => ids.map((id) => entryIdId(life, id)));
      const found = await documents.get(index, asked);
      let position = 0;
      return lookups.map(({ ids }) => {
        let first: EntryPlace | undefined;
        for (const id of ids) {
          const one = found[position];
          position += 1;
          if (one) first ??= { id, seq: numberOf(one.source.seq) };
        }
        return first;
      });
    },

    async deleteLife(life, end) {
      const from = end === undefined ? undefined : await endRecent(life, end);
      await documents.deleteWhere(index, {
        bool: {
          filter: { term: { life } },
          ...(from !== undefined && { must_not: { range: { ordinal: { gte: from } } } }),
        },
      });
    },

    async *searchCommits(space, terms, atMost) {
      const filter: Fields[] = [ofSpace(space), ...terms.map(holdsWord)];
      if (atMost !== undefined) filter.push({ range: { since: { lte: atMost } } });
      let after: readonly unknown[] = [];
      let size = FIRST_STEP;
      for (;;) {
        const found = await documents.search(index, {
          size,
          query: { bool: { filter } },
          sort: [{ at: "desc" }, { life: "desc" }, { ordinal: "desc" }],
          ...(after.length > 0 && { search_after: after }),
        });
        const commits = found.map(({ source }) => commitOf(source));
        yield* commits;
        const last = found.at(-1);
        if (found.length < size || !last) return;
        after = last.sort;
        size = nextStep(commits, Number.POSITIVE_INFINITY);
      }
    },

    async writeIds(projections) {
      await documents.write(
        idsOf(projections).map(([life, { id, seq }]): Write => {
          return { action: "index", index, id: entryIdId(life, id), source: { life, seq } };
        }),
      );
    },

    async dropIds(projections) {
      await documents.write(
        idsOf(projections).map(([life, { id }]): Write => {
          return { action: "delete", index, id: entryIdId(life, id) };
        }),
      );
    },
  };
}

function idsOf(projections: readonly Projection[]): [life: string, place: EntryPlace][] {
  return projections.flatMap(({ life, commits }) =>
    commits.flatMap(({ ids }) => ids.map((place): [string, EntryPlace] => [life, place])),
  );
}

export function commitId({ life, ordinal }: CommitPlace): string {
  return `${life}/${ordinal}`;
}

/** An id may be of 512 bytes, and so may that of a document at most. */
function entryIdId(life: string, id: string): string {
  return `${life}/id/${createHash("sha256").update(id).digest("base64url")}`;
}

function fieldsOf(commit: CommitDocument): Fields {
  const { key, space, life, ordinal, attempt, first, last, at, since, ids, entries, texts } = commit;
  const words = wordsOf(texts);
  return {
    ...{
      key,
      space: spaceName(space),
      life,
      ordinal,
      attempt,
      first,
      last,
      at,
      since,
      entries,
      madeAt: Date.now(),
    },
    ...(ids.length > 0 && { ids: ids.map(({ id, seq }) => [id, seq]) }),
    ...(words.length > 0 && { words }),
  };
}

export function commitOf(source: Fields): StoredCommit {
  return {
    key: textOf(source.key),
    life: textOf(source.life),
    ordinal: numberOf(source.ordinal),
    attempt: textOf(source.attempt),
    first: numberOf(source.first),
    last: numberOf(source.last),
    at: numberOf(source.at),
    ids: listAt(source, "ids").map((place) => {
      const [id, seq]: readonly unknown[] = Array.isArray(place) ? place : [];
      return { id: textOf(id), seq: numberOf(seq) };
    }),
    entries: textOf(source.entries),
  };
}
