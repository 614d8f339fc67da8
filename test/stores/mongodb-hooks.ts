/**
 * @module
 * A database whose calls can be stopped, failed, or made the moment at which something else happens: the calls that are
 * let through reach the real server.
 */
import type { Db } from "mongodb";
import type { MongodbCollection, MongodbCursor, MongodbDatabase } from "../../src/stores/mongodb/client.ts";

/** Told of each call before it is sent, for example `"holdfast_sessions.updateOne"`, and after it answered: `"… done"`. */
export type Hook = (call: string) => void | Promise<void>;

export function hookedDatabase(database: Db, hook: Hook): MongodbDatabase {
  return {
    command: (command) => database.command(command),
    collection(name, options) {
      const real: MongodbCollection = database.collection(name, options);
      const around = async <T>(method: string, call: () => Promise<T>): Promise<T> => {
        await hook(`${name}.${method}`);
        const answer = await call();
        await hook(`${name}.${method} done`);
        return answer;
      };
      const find = (filter: object, more?: object): MongodbCursor => {
        const cursor = real.find(filter, more);
        return {
          toArray: () => around("find", () => cursor.toArray()),
          async *[Symbol.asyncIterator]() {
            await hook(`${name}.find`);
            yield* cursor;
          },
        };
      };
      return {
        collectionName: name,
        find,
        insertOne: (document, more) => around("insert", () => real.insertOne(document, more)),
        insertMany: (documents, more) => around("insert", () => real.insertMany(documents, more)),
        updateOne: (filter, update, more) => around("updateOne", () => real.updateOne(filter, update, more)),
        updateMany: (filter, update, more) =>
          around("updateMany", () => real.updateMany(filter, update, more)),
        deleteOne: (filter, more) => around("deleteOne", () => real.deleteOne(filter, more)),
        deleteMany: (filter, more) => around("deleteMany", () => real.deleteMany(filter, more)),
        createIndexes: (indexes, more) => around("createIndexes", () => real.createIndexes(indexes, more)),
        watch: (pipeline, more) => real.watch(pipeline, more),
        indexes: () => around("indexes", () => real.indexes()),
      };
    },
  };
}
