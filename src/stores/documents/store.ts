/**
 * @module
 * A session store over an engine that keeps documents. See `driver.ts` for what is kept, `commit.ts` for why it holds.
 */
import type { Entry } from "../../log/entry.ts";
import { HoldfastError } from "../../log/errors.ts";
import { namespaceName, namespacePath } from "../../store/namespace.ts";
import type { MigrationReport, SessionStore, StoreCapabilities } from "../../store/store.ts";
import { applyCommits } from "./commit.ts";
import type { DocumentDriver } from "./driver.ts";
import { findRecords } from "./heads.ts";
import type { Late } from "./late.ts";
import { createLate } from "./late.ts";
import { listPage } from "./list.ts";
import { readEntries } from "./read.ts";
import { removeSession, sweepSpace } from "./remove.ts";
import { searchSpace } from "./search.ts";
import type { Space } from "./space.ts";
import { createBases } from "./space.ts";
import type { Changes } from "./watch.ts";
import { watchEntries } from "./watch.ts";

export interface DocumentStoreOptions {
  /** The store's name, for messages. */
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /** Called with the first use, and again where it failed. */
  open(): Promise<DocumentEngine>;
  /** What the engine or its client failed with, as an error that says what to do and holds no secret. */
  toHoldfastError(error: unknown, sessionId?: string): HoldfastError;
}

/** An engine that is connected to. */
export interface DocumentEngine {
  readonly driver: DocumentDriver;
  /** Brings the schema up to date. */
  migrate(): Promise<MigrationReport>;
  /** Called before the first commit: brings the schema up to date, or checks that somebody did. */
  prepare(): Promise<unknown>;
  /** Checks the schema before the first read. An empty engine is good to read. */
  check(): Promise<void>;
  /** Tells of commits to a life. Needed where the capabilities say that the store pushes. */
  changes?(life: string): Changes;
  ping(): Promise<void>;
  /** Closes what `open` opened. */
  close(): Promise<void>;
}

type Use = "read" | "write" | "raw";

/** The store, at its root namespace. Every call on it rejects with a HoldfastError where it fails. */
export function documentStore(options: DocumentStoreOptions): SessionStore {
  const { name, capabilities, toHoldfastError } = options;
  const bases = createBases();
  let late: Late | undefined;
  const views = new Map<string, WeakRef<SessionStore>>();
  const closing = new AbortController();
  let isClosed = false;
  let opening: Promise<DocumentEngine> | undefined;
  let checked: "nothing" | "read" | "written" = "nothing";

  const open = async (): Promise<DocumentEngine> => {
    if (isClosed) throw closedError(name);
    opening ??= options.open().then((engine) => {
      if (capabilities.listConsistency === "eventual") late = createLate(engine.driver, bases);
      return engine;
    });
    const current = opening;
    try {
      return await current;
    } catch (error) {
      if (opening === current) opening = undefined;
      throw error;
    }
  };

  const prepare = async (engine: DocumentEngine, use: Use): Promise<void> => {
    if (use === "raw" || checked === "written" || checked === use) return;
    if (use === "read") await engine.check();
    else await engine.prepare();
    checked = use === "write" ? "written" : "read";
  };

  const run = async <T>(
    use: Use,
    work: (engine: DocumentEngine) => Promise<T>,
    sessionId?: string,
  ): Promise<T> => {
    try {
      const engine = await open();
      await prepare(engine, use);
      return await work(engine);
    } catch (error) {
      throw isClosed ? closedError(name, error) : toHoldfastError(error, sessionId);
    }
  };

  async function* watch(path: string, id: string, after: number, signal: AbortSignal): AsyncGenerator<Entry> {
    try {
      const engine = await open();
      await prepare(engine, "read");
      const { driver, changes } = engine;
      if (!changes) return;
      const space = { name, path, capabilities, driver, bases, late };
      yield* watchEntries(space, id, after, AbortSignal.any([signal, closing.signal]), changes);
    } catch (error) {
      throw isClosed ? closedError(name, error) : toHoldfastError(error, id);
    }
  }

  const view = (path: string): SessionStore => {
    const known = views.get(path)?.deref();
    if (known) return known;
    const made = viewOf(path);
    views.set(path, new WeakRef(made));
    return made;
  };

  const viewOf = (path: string): SessionStore => {
    const within =
      <T>(work: (space: Space) => Promise<T>) =>
      ({ driver }: DocumentEngine): Promise<T> =>
        work({ name, path, capabilities, driver, bases, late });
    return {
      name,
      capabilities,
      namespaceName: namespaceName(path),
      commit: (commits) =>
        run(
          "write",
          within((space) => applyCommits(space, commits)),
          commits.length === 1 ? commits[0]?.sessionId : undefined,
        ),
      find: (ids) =>
        run(
          "read",
          within((space) => findRecords(space, ids)),
        ),
      read: (id, range) =>
        run(
          "read",
          within((space) => readEntries(space, id, range)),
          id,
        ),
      list: (query) =>
        run(
          "read",
          within((space) => listPage(space, query)),
        ),
      search: (text, query) =>
        run(
          "read",
          within((space) => searchSpace(space, text, query)),
        ),
      remove: (id) =>
        run(
          "read",
          within((space) => removeSession(space, id)),
          id,
        ),
      sweep: (nowMs, limit) =>
        run(
          "read",
          within((space) => sweepSpace(space, nowMs, limit)),
        ),
      ...(capabilities.watch === "push" && {
        watch: (id: string, after: number, signal: AbortSignal) => watch(path, id, after, signal),
      }),
      migrate: () => run("raw", (engine) => engine.migrate()),
      namespace: (part) => view(namespacePath(path, part)),
      ping: () => run("raw", (engine) => engine.ping()),

      /** Closes what the store opened, which all namespaces share. A client that was passed in stays open. */
      async close() {
        isClosed = true;
        closing.abort();
        const opened = opening;
        opening = undefined;
        if (!opened) return;
        await late?.close();
        // An engine that never came to be needs no closing: whoever asked for it was told why.
        const [settled] = await Promise.allSettled([opened]);
        if (settled.status === "fulfilled") await settled.value.close();
      },
    };
  };
  return view("");
}

function closedError(name: string, cause?: unknown): HoldfastError {
  return new HoldfastError("STORE_UNAVAILABLE", `the ${name} store is closed; make a new one`, {
    store: name,
    retryable: false,
    cause,
  });
}
