/**
 * @module
 * The store as one namespace sees it: the logs in one folder.
 */
import { join } from "node:path";
import { HoldfastError } from "../../log/errors.ts";
import type { SessionRecord } from "../../log/record.ts";
import { isExpired } from "../../log/record.ts";
import type { CommitOutcome, SessionStore } from "../../store/store.ts";
import { breather } from "../breather.ts";
import type { SearchedLog } from "../text-search.ts";
import { searchLogs } from "../text-search.ts";
import { newName } from "./append.ts";
import { catalog } from "./catalog.ts";
import type { Member } from "./gathering.ts";
import { allDone, gathering } from "./gathering.ts";
import type { GroupLog, OpenPart } from "./group.ts";
import { inspectFolder } from "./inspect.ts";
import { APPEND, closing, isDiskFull, isFileError, READ, unavailable } from "./io.ts";
import type { Locks } from "./locks.ts";
import type { OpenLog } from "./logs.ts";
import { openLog } from "./logs.ts";
import { folderOf, LOG_SUFFIX, nameOf } from "./names.ts";
import type { PreparedCommit } from "./plan.ts";
import { plan, prepare } from "./plan.ts";
import { entryAt, newestFirst, readIds, readRange } from "./range.ts";
import type { Root } from "./root.ts";
import { STORE } from "./tail.ts";
import type { Growth, TouchedFile } from "./touched.ts";
import { touchedFile } from "./touched.ts";

/** Logs that one batch opens at once; a longer one is done in parts. */
const AT_ONCE = 128;
const NO_IDS: ReadonlyMap<string, number> = new Map();

/** The store as one namespace sees it. */
export interface FolderView extends SessionStore {
  readonly search: NonNullable<SessionStore["search"]>;
  readonly sweep: NonNullable<SessionStore["sweep"]>;
  readonly inspect: NonNullable<SessionStore["inspect"]>;
  namespace(name: string): FolderView;
}

export function folderView(root: Root, folder: string): FolderView {
  const { io, logs, appender } = root;
  const views = new Map<string, FolderView>();
  const breathe = breather();
  const touched = root.isShared ? touchedFile(io, root.kept, folder) : undefined;
  const sessions = catalog(io, folder, logs.peek, touched);

  const pathOf = (id: string): string => join(folder, `${nameOf(id)}${LOG_SUFFIX}`);
  // By the path within the folder: processes may reach that by different paths.
  const shardOf = (locks: Locks, id: string): number =>
    locks.shardOf(pathOf(id).slice(root.directory.length));

  /** Runs `work` in an open store; a file operation that fails there is told as STORE_UNAVAILABLE. */
  const using = async <T>(
    path: string,
    sessionId: string | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> => {
    root.enter();
    // Reading waits for nothing, so a caller that reads in a loop would keep everybody else from running.
    if (breathe.isDue()) await breathe.pause();
    const recovery = root.recover();
    if (recovery) await recovery;
    try {
      return await work();
    } catch (error) {
      throw unavailable(error, path, sessionId);
    }
  };

  const logToWrite = (path: string, sessionId: string): OpenLog | undefined => {
    const log = logs.get(path, sessionId);
    if (!log || log.isWritable) return log;
    // It could not be opened to write before: try again, and fail with the reason where it still can't.
    logs.drop(path);
    io.close(io.open(path, APPEND));
    return logs.get(path, sessionId);
  };

  /** All commits of one batch to one session. Called under its lock. */
  const write = async (
    sessionId: string,
    batch: readonly PreparedCommit[],
    outcomes: CommitOutcome[],
    touches: Member<Growth>,
    syncs: Member<OpenPart>,
  ): Promise<void> => {
    const path = pathOf(sessionId);
    const log = logToWrite(path, sessionId);
    const work = async (): Promise<void> => {
      if (log && batch.some(({ ids }) => ids.length > 0)) log.ids ??= await readIds(log);
      const { change, bytes, outcomes: decided } = plan(batch, log?.tail, log?.ids ?? NO_IDS);
      for (const [index, outcome] of decided) outcomes[index] = outcome;
      if (!change) return;
      const { tail, ids, keys, recordLength } = change;
      if (!log) await appender.makeFolder(folder);
      await touches.add({ name: nameOf(sessionId), size: tail.end });
      try {
        const { end: at, version: after, createdAt } = log?.tail ?? { ...tail, end: 0, version: 0 };
        const part = { path, at, bytes, after, createdAt };
        if (log) await appender.append(log, bytes, tail, () => syncs.add({ ...part, log }));
        else {
          const sync = (made: GroupLog) => syncs.add({ ...part, log: made });
          logs.add(path, await appender.create(path, sessionId, bytes, tail, sync), ids);
        }
      } catch (error) {
        logs.drop(path);
        sessions.doubt(sessionId);
        throw error;
      }
      if (log?.ids) for (const [id, seq] of ids) log.ids.set(id, seq);
      sessions.put(keys, tail, recordLength);
    };
    await (log ? logs.hold(log, work) : work());
  };

  const commitPart = async (
    part: readonly (readonly [string, readonly PreparedCommit[]])[],
    outcomes: CommitOutcome[],
  ): Promise<void> => {
    const locks = await root.prepare();
    const shards = new Set(part.map(([sessionId]) => shardOf(locks, sessionId)));
    const [[one = ""] = []] = part;
    await locks.runUnder([...shards], one, () => {
      const touching = gathering<Growth>(part.length, (growths) => touched?.grow(growths));
      const syncing = gathering<OpenPart>(part.length, root.group.sync);
      return allDone(
        part.map(async ([sessionId, batch]) => {
          const [touches, syncs] = [touching(), syncing()];
          try {
            await using(pathOf(sessionId), sessionId, () =>
              write(sessionId, batch, outcomes, touches, syncs),
            );
          } finally {
            touches.leave();
            syncs.leave();
          }
        }),
      );
    });
    if (touched?.isLong()) shortenTouched(locks, touched);
  };

  const shortenTouched = (locks: Locks, file: TouchedFile): void => {
    try {
      locks.runAlone(() => {
        sessions.follow();
        file.replace();
      });
    } catch (error) {
      // What was committed stands, and a longer file does no harm: a later commit tries again.
      if (!isFileError(error) && !HoldfastError.is(error)) throw error;
    }
  };

  /** Says that a log is about to be removed; `false` where the disk is too full for that, which removing it may change. */
  const tellRemoval = (name: string): boolean => {
    try {
      touched?.remove(name);
      return true;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      return false;
    }
  };

  /** Removes a session where `condition` holds once nobody else can write to it. */
  const remove = async (id: string, condition: () => boolean): Promise<boolean> => {
    const path = pathOf(id);
    if (!io.stat(folder)) return false;
    const locks = await root.prepare();
    return locks.run(shardOf(locks, id), id, async () => {
      if (!condition()) return false;
      const name = nameOf(id);
      const isThere = io.stat(path) !== undefined;
      sessions.doubt(id);
      await root.group.empty();
      const isTold = isThere && tellRemoval(name);
      logs.drop(path);
      const isChanged = [io.remove(path), io.remove(newName(path))].includes(true);
      if (isThere && !isTold) touched?.remove(name);
      await touched?.erase(name, root.isDurable);
      if (isChanged) await appender.syncFolder(folder);
      return isThere;
    });
  };

  /** For a search, which opens one log after another and keeps none. */
  const searched = (record: SessionRecord): SearchedLog => ({
    record,
    *newestFirst() {
      const log = openLog(io, pathOf(record.id), READ, record.id);
      if (!log) return;
      try {
        yield* newestFirst(log);
      } finally {
        io.close(log.file);
      }
    },
    at(seq) {
      const log = openLog(io, pathOf(record.id), READ, record.id);
      return log && closing(io, log.file, () => entryAt(log, seq));
    },
  });

  const view: FolderView = {
    name: STORE,
    capabilities: root.capabilities,

    async commit(commits) {
      root.enter();
      const prepared = commits.map((commit, index) => prepare(commit, index, root.capabilities));
      await root.recover();
      const bySession = [...Map.groupBy(prepared, ({ sessionId }) => sessionId)];
      const outcomes: CommitOutcome[] = [];
      for (let at = 0; at < bySession.length; at += AT_ONCE)
        await commitPart(bySession.slice(at, at + AT_ONCE), outcomes);
      return outcomes;
    },

    async find(ids) {
      return Promise.all(
        ids.map((id) => using(pathOf(id), id, () => logs.get(pathOf(id), id)?.tail.record())),
      );
    },

    async read(id, range) {
      const path = pathOf(id);
      return using(path, id, async () => {
        const attempt = async () => {
          const log = logs.get(path, id);
          return log ? logs.hold(log, () => readRange(log, range)) : [];
        };
        try {
          return await attempt();
        } catch (error) {
          if (!HoldfastError.is(error, "STORE_CORRUPT")) throw error;
          // A write that was taken back meanwhile looks like damage. Damage looks the same the second time.
          logs.drop(path);
          return attempt();
        }
      });
    },

    async list(query) {
      return using(folder, undefined, () => sessions.page(query, folder));
    },

    async search(text, query) {
      return using(folder, undefined, async () => {
        return searchLogs(text, query, folder, map(await sessions.records(query), searched));
      });
    },

    async remove(id) {
      return using(pathOf(id), id, () => remove(id, () => true));
    },

    async sweep(nowMs, limit) {
      return using(folder, undefined, async () => {
        const swept: string[] = [];
        const records = await sessions.records({ order: "updated", limit });
        const expired = [...records].filter(
          (record) => record.status !== "deleted" && isExpired(record, nowMs),
        );
        for (const { id } of expired) {
          if (swept.length === limit) break;
          const isStill = (): boolean => {
            const record = logs.get(pathOf(id), id)?.tail.record();
            return record !== undefined && isExpired(record, nowMs);
          };
          if (await remove(id, isStill)) swept.push(id);
        }
        return swept;
      });
    },

    async migrate() {
      return root.migrate();
    },

    namespace(name) {
      const within = folderOf(name);
      const found = views.get(within) ?? folderView(root, join(folder, within));
      views.set(within, found);
      return found;
    },

    async *inspect() {
      root.ping();
      yield* inspectFolder(folder);
    },

    async ping() {
      root.ping();
    },

    close: () => root.close(),
  };
  return view;
}

function* map<T, R>(items: Iterable<T>, convert: (item: T) => R): Generator<R> {
  for (const item of items) yield convert(item);
}
