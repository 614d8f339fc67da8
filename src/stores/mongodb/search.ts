/**
 * @module
 * Search by the words that are kept beside each commit. MongoDB's own text index drops common words, takes others to
 * their stem and finds no beginnings of words.
 *
 * @see https://www.mongodb.com/docs/manual/core/indexes/index-types/index-text/text-index-restrictions/
 */
import { isPlainObject } from "../../log/values.ts";
import { ANY_WORD, beginning } from "../documents/words.ts";
import type { MongodbCollection } from "./client.ts";
import { wordPrefix } from "./documents.ts";

/** Commits that one query gives: they are sorted, and so held by the server at once. */
const PAGE = 64;
/** The longest words of a search are looked up. */
const MAX_TERMS = 16;
/** Sorts after whatever a word may go on with. */
const END = "\u{10ffff}";

/** Commit documents that may hold every term, newest first. */
export async function* searchCommits(
  commits: MongodbCollection,
  space: string,
  terms: readonly string[],
  atMost: number | undefined,
): AsyncGenerator<unknown> {
  const longest = terms.toSorted((a, b) => b.length - a.length).slice(0, MAX_TERMS);
  const prefix = wordPrefix(space);
  const holdsAll = longest.map((term) => {
    const from = prefix + beginning(term);
    return { words: { $elemMatch: { $gte: from, $lt: `${from}${END}` } } };
  });
  const conditions: object[] = [
    { $or: [{ $and: holdsAll }, { words: { $eq: prefix + ANY_WORD } }] },
    { space: { $eq: space } },
  ];
  if (atMost !== undefined) conditions.push({ since: { $lte: atMost } });
  const options = { projection: { words: 0, types: 0 }, sort: { at: -1, _id: -1 }, limit: PAGE };
  for (let past: object[] = []; ; ) {
    const found = await commits.find({ $and: [...conditions, ...past] }, options).toArray();
    yield* found;
    const last = found.at(-1);
    if (found.length < PAGE || !isPlainObject(last)) return;
    past = [{ at: { $lte: last.at } }, { $or: [{ at: { $lt: last.at } }, { _id: { $lt: last._id } }] }];
  }
}
