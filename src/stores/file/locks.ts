/**
 * @module
 * Locks between processes, and between all stores of one process, on the sessions of one folder.
 *
 * Node has no file locks of its own, and a lock file that its owner left behind can't be told from one in use. SQLite
 * has them: a transaction on an empty database takes the operating system's own lock, which goes away with its
 * process, however that ends. So `.locks` holds a few empty databases; a session belongs to one of them by its name.
 * Nothing is ever written there. Only SQLite may open these files: where POSIX locks are used, a process that opens and
 * closes one by any other way gives up its locks on it.
 *
 * @see https://www.sqlite.org/lockingv3.html for RESERVED, which one process at a time can hold.
 */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { HoldfastError, messageOf } from "../../log/errors.ts";
import { STORE } from "./tail.ts";

export interface Locks {
  /** The lock that belongs to no session, and is taken after all of theirs. */
  readonly last: number;
  /** Which lock stands for the session whose log has this path within the folder. */
  shardOf(path: string): number;
  /**
   * Runs `work` while no other process and nobody else in this one holds the lock.
   *
   * @param sessionId for the message.
   * @throws STORE_UNAVAILABLE where it isn't free within the timeout.
   */
  run<T>(shard: number, sessionId: string | undefined, work: () => Promise<T>): Promise<T>;
  /** As `run`, for several locks; all of them where none are named. */
  runUnder<T>(
    shards: readonly number[] | undefined,
    sessionId: string | undefined,
    work: () => Promise<T>,
  ): Promise<T>;
  /** Runs `work` under every lock where all are free just now; says whether it did. */
  runAlone(work: () => void): boolean;
  /** Resolves once whoever holds one is done. */
  close(): Promise<void>;
}

/** Enough that sessions seldom wait for each other, few enough to open them all. */
const SHARDS = 16;
const RETRY_MS = 1;
const RETRY_LIMIT_MS = 20;
const SQLITE_BUSY = 5;
/** Reads a table, and has two rows to give of which one is taken. */
const UNFINISHED = "SELECT column1 FROM (VALUES (1), (2)) LEFT JOIN sqlite_schema";

/** One lock: `take` says whether it was free. */
interface FileLock {
  take(): boolean;
  free(): void;
  close(): void;
  /** What must live as long as the lock. */
  readonly kept?: readonly unknown[];
}

interface Shard {
  /** Settles when all who came before are done. */
  last: Promise<unknown>;
  waiting: number;
  lock?: FileLock;
}

/** Shared by all stores of this process on one folder. */
interface Shared {
  readonly shards: readonly Shard[];
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * @param folder the real path of the store's folder.
 * @param isShared whether other processes are kept out too.
 */
export async function openLocks(folder: string, timeoutMs: number, isShared: boolean): Promise<Locks> {
  const openLock = isShared ? await sqliteLocks(join(folder, ".locks")) : () => NO_LOCK;
  const found = shared.get(folder) ?? newShared();
  shared.set(folder, found);
  found.users += 1;
  const { shards } = found;
  let isOpen = true;

  const shardAt = (index: number): Shard => {
    const shard = shards[index];
    if (shard) return shard;
    throw new RangeError(`there is no lock ${index}`);
  };

  const lockOf = (index: number): FileLock => {
    if (!isShared) return NO_LOCK;
    const shard = shardAt(index);
    shard.lock ??= openLock(index);
    return shard.lock;
  };

  const take = async (index: number, sessionId: string | undefined): Promise<FileLock> => {
    const lock = lockOf(index);
    const until = performance.now() + timeoutMs;
    for (let waitMs = RETRY_MS; !lock.take(); waitMs = Math.min(waitMs * 2, RETRY_LIMIT_MS)) {
      if (performance.now() > until) {
        const what = sessionId === undefined ? "of all sessions" : `of session ${JSON.stringify(sessionId)}`;
        throw new HoldfastError(
          "STORE_UNAVAILABLE",
          `another process has held the lock ${what} (${folder}/.locks/${index}.db) for ${timeoutMs} ms; try again, or raise lockTimeoutMs`,
          { sessionId, store: STORE, retryable: true },
        );
      }
      await setTimeout(waitMs * (0.5 + Math.random() / 2));
    }
    return lock;
  };

  const locks: Locks = {
    last: SHARDS,

    shardOf: (path) => crc32(path) % SHARDS,

    runUnder(indexes = [...Array(SHARDS).keys()], sessionId, work) {
      // Everybody takes them in this order, so that nobody waits for one who waits for him.
      const [first, ...others] = indexes.toSorted((a, b) => a - b);
      return first === undefined
        ? work()
        : locks.run(first, sessionId, () => locks.runUnder(others, sessionId, work));
    },

    async run(index, sessionId, work) {
      const shard = shardAt(index);
      const before = shard.last;
      const { promise, resolve } = Promise.withResolvers<void>();
      shard.last = promise;
      shard.waiting += 1;
      try {
        await before;
        const lock = await take(index, sessionId);
        try {
          return await work();
        } finally {
          lock.free();
        }
      } finally {
        shard.waiting -= 1;
        resolve();
      }
    },

    runAlone(work) {
      if (shards.some(({ waiting }) => waiting > 0)) return false;
      const taken: FileLock[] = [];
      try {
        for (const index of shards.keys()) {
          const lock = lockOf(index);
          if (!lock.take()) return false;
          taken.push(lock);
        }
        work();
        return true;
      } finally {
        for (const lock of taken) lock.free();
      }
    },

    async close() {
      if (!isOpen) return;
      isOpen = false;
      found.users -= 1;
      if (found.users > 0) return;
      shared.delete(folder);
      await Promise.all(shards.map((shard) => shard.last.then(() => shard.lock?.close())));
    },
  };
  return locks;
}

function newShared(): Shared {
  return {
    shards: Array.from({ length: SHARDS + 1 }, (): Shard => ({ last: Promise.resolve(), waiting: 0 })),
    users: 0,
  };
}

const NO_LOCK: FileLock = { take: () => true, free: () => undefined, close: () => undefined };

async function sqliteLocks(folder: string): Promise<(index: number) => FileLock> {
  const { DatabaseSync } = await import("node:sqlite").catch((error: unknown) => {
    throw new HoldfastError(
      "STORE_UNAVAILABLE",
      `the file store takes its locks with node:sqlite, and this runtime has none (${messageOf(error)}); use Node 22.13 or later, or lock: false where a single process writes`,
      { store: STORE, retryable: false, cause: error },
    );
  });
  return (index) => {
    const path = join(folder, `${index}.db`);
    try {
      const database = new DatabaseSync(path);
      // Else SQLite makes a journal file for each transaction on an empty database: five times the cost.
      database.exec("PRAGMA journal_mode = MEMORY");
      // A reader that is never done holds SHARED for good, which keeps nobody from RESERVED; a lock then costs two system
      // calls instead of ten.
      const unfinished = database.prepare(UNFINISHED);
      const reading = unfinished.iterate();
      reading.next();
      const begin = database.prepare("BEGIN IMMEDIATE");
      const end = database.prepare("ROLLBACK");
      return {
        take() {
          try {
            begin.run();
            return true;
          } catch (error) {
            if (isBusy(error)) return false;
            throw unusable(path, error);
          }
        },
        free: () => {
          end.run();
        },
        close: () => database.close(),
        // Node 22.13 crashes where the statement of an iterator is collected before it.
        kept: [unfinished, reading],
      };
    } catch (error) {
      throw unusable(path, error);
    }
  };
}

function isBusy(error: unknown): boolean {
  // The lower byte is the primary result code: https://www.sqlite.org/rescode.html
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
}

function unusable(path: string, error: unknown): HoldfastError {
  return new HoldfastError(
    "STORE_UNAVAILABLE",
    `the file store can't take the lock ${path} (${messageOf(error)}); give this process write permission on the folder, or use lock: false where a single process writes`,
    { store: STORE, retryable: false, cause: error },
  );
}
