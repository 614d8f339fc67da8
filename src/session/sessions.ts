/**
 * @module
 * Many conversations over one store.
 */
import { randomBytes } from "node:crypto";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { labelFrom } from "../log/text.ts";
import { checkId } from "../log/values.ts";
import { toStoreQuery } from "../store/query.ts";
import type { Page, SessionQuery, SessionStore } from "../store/store.ts";
import { createFrom, forkFrom, freshHistory } from "./branch.ts";
import type { DataSchema } from "./data.ts";
import { checkDataVersion, migrated, needsMigration } from "./data.ts";
import type { StoreSource } from "./defaults.ts";
import { createSessionId, getDefaultStore, unsupported } from "./defaults.ts";
import type { Events } from "./events.ts";
import { createEvents } from "./events.ts";
import { groupCommit } from "./group-commit.ts";
import { historyOf } from "./history.ts";
import { checkDuration, checkLabel } from "./input.ts";
import type { Runtime, Scope } from "./runtime.ts";
import { findLive, isOf, recordOf, requireLive } from "./runtime.ts";
import { createSession } from "./session.ts";
import { storedAs } from "./typed.ts";
import type { Message, Session, SessionInit, Sessions } from "./types.ts";
import { walk } from "./walk.ts";
import type { Writer } from "./writer.ts";
import { createWriter } from "./writer.ts";
import { createWriters } from "./writers.ts";

const DEFAULT_LEASE_MS = 60_000;

/** Loaded when first asked for: most processes never delete, export or import. */
const retention = () => import("./retention.ts");
const transfer = () => import("./transfer.ts");

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
  const events = createEvents();
  let closing: Promise<void> | undefined;
  const requireOpen = (): void => {
    if (closing) throw closedError("these sessions were");
  };
  const makeRuntime = runtimeFactory(options, events, requireOpen);
  let runtime: Promise<Runtime> | undefined;

  const ready = async (): Promise<Runtime> => {
    requireOpen();
    runtime ??= makeRuntime();
    return runtime;
  };

  async function close(): Promise<void> {
    if (runtime === undefined) return;
    const { store, writers } = await runtime;
    try {
      await saveAll(writers.all());
    } finally {
      await store.close();
    }
  }

  const closeOnce = (): Promise<void> => {
    closing ??= close();
    return closing;
  };
  return createView<M, D>({ ready, events, close: closeOnce }, {});
}

/** Saves what waits of each writer; one that fails keeps no other from it. */
async function saveAll(writers: readonly Writer[]): Promise<void> {
  const results = await Promise.allSettled(writers.map(saveWhatCanBe));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/** A save that is refused drops what can't be; nobody is left to try it again without. */
async function saveWhatCanBe(writer: Writer): Promise<void> {
  const { pending } = writer;
  try {
    await writer.save();
  } catch (error) {
    if (writer.pending < pending) await saveWhatCanBe(writer);
    throw error;
  }
}

function closedError(what: string): HoldfastError {
  return new HoldfastError("SESSION_CLOSED", `${what} closed; make new ones with createSessions`);
}

function runtimeFactory<D extends object>(
  options: SessionsOptions<D>,
  events: Events,
  requireOpen: () => void,
): () => Promise<Runtime> {
  const { autoSave = true, autoLabel = true, clock = Date.now, dataVersion = 1, migrateData } = options;
  checkDataVersion(dataVersion);
  const leaseMs =
    options.leaseMs === undefined ? DEFAULT_LEASE_MS : checkDuration(options.leaseMs, "leaseMs");
  const generateId = options.generateId ?? (() => createSessionId());
  const store = options.store ?? getDefaultStore();

  return async () => {
    const opened = await store;
    const commit = groupCommit(opened);
    const writers = createWriters(
      (sessionId, record, saves = autoSave): Writer =>
        createWriter({
          sessionId,
          store: opened,
          commit,
          clock,
          autoSave: saves,
          record,
          onCommitted(entries, after) {
            writers.observe(after);
            events.emit("saved", { sessionId, record: after, entries: entries.length });
          },
          onConflict: (attempt, current) =>
            events.emit("conflict", { sessionId, attempt }, (current ?? record)?.userId),
          onBusy: (writer, isBusy) => writers.hold(writer, isBusy),
        }),
    );
    return {
      store: opened,
      writers,
      events,
      clock,
      generateId,
      owner: `process-${process.pid}-${randomBytes(4).toString("hex")}`,
      leaseMs,
      autoSave,
      labelFrom: labeller(autoLabel),
      schema: options.data,
      dataVersion,
      migrateData,
      requireOpen,
    };
  };
}

function labeller(autoLabel: boolean | ((text: string) => string)): Runtime["labelFrom"] {
  if (autoLabel === false) return undefined;
  return autoLabel === true ? labelFrom : (text) => checkLabel(autoLabel(text));
}

/** What all scopes of one `createSessions` share. */
interface Host {
  readonly ready: () => Promise<Runtime>;
  readonly events: Events;
  readonly close: () => Promise<void>;
}

/** The sessions that one scope sees. */
function createView<M extends object, D extends object>(host: Host, scope: Scope): Sessions<M, D> {
  const { events } = host;
  let isClosed = false;
  const asRecord = (record: SessionRecord): SessionRecord<D> => storedAs<SessionRecord<D>>(record);

  const ready = async (): Promise<Runtime> => {
    if (isClosed) throw closedError("these sessions were");
    return host.ready();
  };

  /** Closing one user's sessions closes this view of them; the store is everybody's. */
  async function close(): Promise<void> {
    if (scope.userId === undefined) return host.close();
    if (isClosed) return;
    const { writers } = await ready();
    isClosed = true;
    await saveAll(writers.all().filter(({ record }) => record && isOf(scope, record)));
  }

  /** A handle on the session, with its data in the shape of this version. */
  async function handle(writer: Writer): Promise<Session<M, D>> {
    const runtime = await ready();
    await migrate(runtime, writer);
    return createSession<M, D>(runtime, writer, scope);
  }

  async function load(record: SessionRecord): Promise<Session<M, D>> {
    const { writers } = await ready();
    const session = await handle(writers.of(record));
    events.emit("loaded", { sessionId: record.id, record: session.record });
    return session;
  }

  async function openOrCreate(id: string, init: SessionInit<M, D>): Promise<Session<M, D>> {
    const runtime = await ready();
    const found = await findLive(runtime, id, scope);
    if (found) return load(found);
    try {
      return await handle(await createFrom(runtime, { ...init, id }, scope));
    } catch (error) {
      // Somebody else created it just now: then it is there to be opened. Unless it is not ours to see.
      const now = HoldfastError.is(error, "SESSION_EXISTS") ? await findLive(runtime, id, scope) : undefined;
      if (now) return load(now);
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

  async function newestOf(filter: SessionQuery): Promise<SessionRecord | undefined> {
    const runtime = await ready();
    for await (const record of walk(runtime, scoped({ ...filter, order: "updated", limit: 10 }), {
      liveAt: runtime.clock(),
    })) {
      if (record.kind !== "child") return record;
    }
    return undefined;
  }

  const direct = async (id: string): Promise<Writer> => {
    const runtime = await ready();
    return runtime.writers.direct(id, await requireLive(runtime, id, scope));
  };

  const sessions: Sessions<M, D> = {
    create: async (init = {}) => handle(await createFrom(await ready(), init, scope)),
    async open(id, options = {}) {
      const { create = false } = options;
      if (create !== false) return openOrCreate(id, create === true ? {} : create);
      return load(await requireLive(await ready(), id, scope));
    },
    async getOrCreate(id, init = {}) {
      return id === undefined ? sessions.create(init) : openOrCreate(id, init);
    },
    async latest(filter = {}) {
      const record = await newestOf(filter);
      return record && load(record);
    },
    async fork(id, options = {}) {
      const runtime = await ready();
      const [record] = await runtime.store.find([checkId(id, "session id")]);
      // One that is deleted but kept for its forks can be forked again.
      if (record?.status === "deleted" && isOf(scope, record)) {
        const history = historyOf(runtime.store, { record, pending: [] });
        return handle(await forkFrom(runtime, history, options, scope));
      }
      const writer = runtime.writers.of(await requireLive(runtime, id, scope));
      return handle(await forkFrom(runtime, await freshHistory(runtime, writer), options, scope));
    },
    async find(id) {
      const record = await findLive(await ready(), id, scope);
      return record && asRecord(record);
    },
    async list(query = {}) {
      const runtime = await ready();
      const page = await runtime.store.list(toStoreQuery(scoped(query), { liveAt: runtime.clock() }));
      return storedAs<Page<SessionRecord<D>>>(page);
    },
    async *all(query = {}) {
      const runtime = await ready();
      const found = walk(runtime, scoped({ order: "created", ...query }), { liveAt: runtime.clock() });
      for await (const record of found) yield asRecord(record);
    },
    async findActive(userId) {
      const record = await newestOf({ userId: checkId(userId, "user id"), status: "active" });
      return record && asRecord(record);
    },
    async search(text, query = {}) {
      const { store, clock } = await ready();
      if (!store.search) throw unsupported(store, "search");
      return store.search(text, toStoreQuery(scoped(query), { liveAt: clock() }));
    },
    rename: async (id, label) =>
      (await direct(id)).submit({ command: { type: "rename", label: checkLabel(label) } }),
    async setStatus(id, status) {
      if (!["active", "completed", "abandoned"].includes(status)) {
        throw invalidArgument(
          "status must be active, completed or abandoned; to delete a session, call delete",
        );
      }
      return (await direct(id)).submit({ command: { type: "set-status", status } });
    },
    delete: async (id, options = {}) =>
      (await retention()).deleteSession(await ready(), id, options.heirs ?? "keep", scope),
    erase: async (id) => (await retention()).eraseSession(await ready(), id, scope),
    prune: async (rule = {}) => (await retention()).pruneSessions(await ready(), rule, scope),
    async *export(id) {
      const runtime = await ready();
      const { exportLines } = await transfer();
      yield* exportLines(runtime.store, await requireLive(runtime, id, scope));
    },
    async import(lines, options = {}) {
      const runtime = await ready();
      const { importLines } = await transfer();
      const record = await importLines(runtime, lines, options, scope);
      events.emit("created", { sessionId: record.id, record });
      return load(record);
    },
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
