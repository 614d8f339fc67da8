/**
 * @module
 * Change streams.
 *
 * @see https://www.mongodb.com/docs/manual/changeStreams/
 */
import type { Changes } from "../documents/watch.ts";
import type { MongodbCollection } from "./client.ts";
import { lifeRange } from "./documents.ts";

/** Tells of the commits of a life. A server that is no replica set rejects the first `next`. */
export function changesOf(commits: MongodbCollection, life: string): Changes {
  const inserted = { operationType: "insert", "documentKey._id": lifeRange(life) };
  // Only that there is something new is of use: what it is comes by a read.
  const pipeline = [{ $match: inserted }, { $project: { _id: 1, operationType: 1 } }];
  const stream = commits.watch(pipeline);
  return { next: () => stream.next(), close: () => stream.close() };
}
