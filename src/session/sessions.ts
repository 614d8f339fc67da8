/**
 * @module
 * Many conversations over one store.
 */

import type { Command } from "../log/decide.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { checkId } from "../log/values.ts";
import { toStoreQuery } from "../store/query.ts";
import type { Page, SessionQuery, SessionStore } from "../store/store.ts";
import { createFrom } from "./create.ts";
import type { DataSchema } from "./data.ts";
import { migrated, needsMigration } from "./data.ts";
import type { StoreSource } from "./defaults.ts";
import { unsupported } from "./defaults.ts";
import { historyOf } from "./history.ts";
import type { Host } from "./host.ts";
import { closedError, createHost } from "./host.ts";
import { checkLabel } from "./input.ts";
import type { AppendResult } from "./job.ts";
import { branch, retention, transfer } from "./lazy.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { findLive, isOf, recordOf, requireLive, visible } from "./runtime.ts";
import { createSession } from "./session.ts";
import { storedAs } from "./typed.ts";
import type { Message, Session, SessionInit, Sessions } from "./types.ts";
import { walk } from "./walk.ts";
import type { Writer } from "./writer.ts";

/** Loaded when first asked for: most processes never delete, export or import. */

export interface SessionsOptions<D extends object = Record<string, unknown>> {
  /** Default: the one given to `setDefaultStore`, else a store in memory. */
  store?: StoreSource;
  /** `false`: changes stay in memory until `session.save()`. Default `true`: each is committed at once. */
  autoSave?: boolean;
  /** Labels a session by the first words of its user, or by what the function makes of them. Default `true`. */
  autoLabel?: boolean | ((firstUserText: string) => string);
  /** Any Standard Schema (zod, valibot, arktype, …) that session data must fit. */
  data?: DataSchema<D>;
  /** The version of the data's shape. Default 1. */
  dataVersion?: number;
  /** Makes data of an earlier version into data of this one, when a session is opened. */
  migrateData?: (data: Record<string, unknown>, fromVersion: number) => Partial<D> | Promise<Partial<D>>;
  /** How long a turn is a worker's without a sign of life. Default 60,000. */
  leaseMs?: number;
  /** Epoch milliseconds. Default `Date.now`. */
  clock?: () => number;
  /** Default: UUIDv7. */
  generateId?: () => string;
}

/**
 * Sessions over a store.
 *
 * @example
 * ```ts
 * import { createSessions } from "holdfast";
 * const sessions = createSessions();
 * const session = await sessions.create({ userId: "alice" });
 * await session.append({ role: "user", content: "My name is Alice." });
 * console.log(await session.messages());
 * ```
 */
export function createSessions<M extends object = Message, D extends object = Record<string, unknown>>(
  options: SessionsOptions<D> = {},
): Sessions<M, D> {
  return createView<M, D>(createHost(options), {});
}

/** The sessions that one scope sees. */
function createView<M extends object, D extends object>(host: Host, scope: Scope): Sessions<M, D> {
  const { events } = host;
  let isClosed = false;
  const asRecord = (record: SessionRecord): SessionRecord<D> => storedAs<SessionRecord<D>>(record);

  async function ready(): Promise<Runtime> {
    if (isClosed) throw closedError();
    return host.ready();
  }

  async function run<T>(work: (runtime: Runtime) => Promise<T>): Promise<T> {
    if (isClosed) throw closedError();
    return host.run(work);
  }

  /** Closing one user's sessions closes this view of them; the store is everybody's. */
  async function close(): Promise<void> {
    if (scope.userId === undefined) return host.close();
    isClosed = true;
    await host.save((record) => isOf(scope, record));
  }

  /** A handle on the session, with its data in the shape of this version. */
  async function handle(runtime: Runtime, writer: Writer): Promise<Session<M, D>> {
    await migrate(runtime, writer);
    return createSession<M, D>(runtime, writer, scope);
  }

  async function load(runtime: Runtime, record: SessionRecord): Promise<Session<M, D>> {
    const session = await handle(runtime, runtime.writers.of(record));
    events.emit("loaded", { sessionId: record.id, record: session.record });
    return session;
  }

  async function openOrCreate(runtime: Runtime, id: string, init: SessionInit<M, D>): Promise<Session<M, D>> {
    const found = await findLive(runtime, id, scope);
    if (found) return load(runtime, found);
    try {
      return await handle(runtime, await createFrom(runtime, { ...init, id }, scope));
    } catch (error) {
      // Somebody else created it just now: then it is there to be opened. Unless it is not ours to see.
      const now = HoldfastError.is(error, "SESSION_EXISTS") ? await findLive(runtime, id, scope) : undefined;
      if (now) return load(runtime, now);
      throw error;
    }
  }

  /** The query with what this scope adds to it. */
  function scoped<Q extends SessionQuery>(query: Q): Q {
    if (scope.userId === undefined) return query;
    if (query.userId !== undefined && query.userId !== scope.userId) {
      throw invalidArgument("the query names another user than the one whose sessions are seen");
    }
    return { ...query, userId: scope.userId };
  }

  async function newestOf(runtime: Runtime, filter: SessionQuery): Promise<SessionRecord | undefined> {
    const query = scoped({ ...filter, order: "updated", limit: 10 } as const);
    for await (const record of walk(runtime, query, { liveAt: runtime.clock() })) {
      if (record.kind !== "child") return record;
    }
    return undefined;
  }

  /** Makes one change to a session that nobody need have open. */
  const change = (id: string, command: () => Command): Promise<AppendResult> =>
    run(async (runtime) => {
      const record = await requireLive(runtime, id, scope);
      return runtime.writers.direct(id, record).submit({ command: command() });
    });

  const sessions: Sessions<M, D> = {
    create: (init = {}) => run(async (runtime) => handle(runtime, await createFrom(runtime, init, scope))),
    open: (id, { create = false } = {}) =>
      run(async (runtime) => {
        if (create !== false) return openOrCreate(runtime, id, create === true ? {} : create);
        return load(runtime, await requireLive(runtime, id, scope));
      }),
    getOrCreate: (id, init = {}) =>
      id === undefined ? sessions.create(init) : run((runtime) => openOrCreate(runtime, id, init)),
    latest: (filter = {}) =>
      run(async (runtime) => {
        const record = await newestOf(runtime, filter);
        return record && load(runtime, record);
      }),
    fork: (id, options = {}) =>
      run(async (runtime) => {
        const { forkFrom } = await branch();
        await runtime.writers.save(id);
        const [record] = await runtime.store.find([checkId(id, "session id")]);
        // One that is deleted but kept for its forks can be forked again.
        const isKept = record?.status === "deleted" && isOf(scope, record);
        const parent = isKept ? record : visible(runtime, id, record, scope);
        const history = historyOf(runtime.store, { record: parent, pending: [] });
        return handle(runtime, await forkFrom(runtime, history, options, scope));
      }),
    find: (id) =>
      run(async (runtime) => {
        const record = await findLive(runtime, id, scope);
        return record && asRecord(record);
      }),
    list: (query = {}) =>
      run(async ({ store, clock }) => {
        const page = await store.list(toStoreQuery(scoped(query), { liveAt: clock() }));
        return storedAs<Page<SessionRecord<D>>>(page);
      }),
    async *all(query = {}) {
      const runtime = await ready();
      const found = walk(runtime, scoped({ order: "created", ...query }), { liveAt: runtime.clock() });
      for await (const record of found) yield asRecord(record);
    },
    findActive: (userId) =>
      run(async (runtime) => {
        const record = await newestOf(runtime, { userId: checkId(userId, "user id"), status: "active" });
        return record && asRecord(record);
      }),
    search: (text, query = {}) =>
      run(async ({ store, clock }) => {
        if (!store.search) throw unsupported(store, "search");
        return store.search(text, toStoreQuery(scoped(query), { liveAt: clock() }));
      }),
    rename: (id, label) => change(id, () => ({ type: "rename", label: checkLabel(label) })),
    setStatus: (id, status) =>
      change(id, () => {
        if (["active", "completed", "abandoned"].includes(status)) return { type: "set-status", status };
        throw invalidArgument(
          "status must be active, completed or abandoned; to delete a session, call delete",
        );
      }),
    delete: (id, { heirs = "keep" } = {}) =>
      run(async (runtime) => (await retention()).deleteSession(runtime, id, heirs, scope)),
    erase: (id, { heirs = "keep" } = {}) =>
      run(async (runtime) => (await retention()).eraseSession(runtime, id, heirs, scope)),
    prune: (rule = {}) => run(async (runtime) => (await retention()).pruneSessions(runtime, rule, scope)),
    hold: (id, options) =>
      run(async (runtime) => (await retention()).holdSession(runtime, id, options, scope)),
    release: (id) => run(async (runtime) => (await retention()).releaseSession(runtime, id, scope)),
    async *export(id) {
      const runtime = await ready();
      const { exportLines } = await transfer();
      yield* exportLines(runtime.store, await requireLive(runtime, id, scope));
    },
    import: (lines, options = {}) =>
      run(async (runtime) => {
        const { importLines } = await transfer();
        const record = await importLines(runtime, lines, options, scope);
        events.emit("created", { sessionId: record.id, record });
        return load(runtime, record);
      }),
    forUser(userId) {
      const id = checkId(userId, "user id");
      if (scope.userId !== undefined && scope.userId !== id) {
        throw invalidArgument(
          "these are one user's sessions already; ask the sessions of all users for another's",
        );
      }
      return createView<M, D>(host, { userId: id });
    },
    on: (event, listener) => events.on(event, listener, scope.userId),
    close,
    [Symbol.asyncDispose]: close,
  };
  return sessions;
}

/** Brings data of an earlier version up to date and saves it, once, whoever opens the session first. */
async function migrate(runtime: Runtime, writer: Writer): Promise<void> {
  const { dataVersion, migrateData, writers } = runtime;
  const stale = (record: SessionRecord): boolean =>
    needsMigration(record.dataVersion, dataVersion, migrateData !== undefined, record.id);
  if (!stale(recordOf(writer))) return;
  // Not as a change that waits to be saved: nobody asked for one.
  await writers.direct(writer.sessionId, await writer.refresh()).submit({
    async command({ record }) {
      if (!stale(record)) return { type: "note", entries: [] };
      const data = await migrated(runtime, record.data, record.dataVersion, record.id);
      return { type: "replace-data", data, dataVersion };
    },
  });
  await writer.refresh();
}

export type { SessionStore };
