/**
 * @module
 * What stands behind all views of one `createSessions` call: opens the store when it is first needed, knows what is
 * under way, and closes.
 */
import { randomBytes } from "node:crypto";
import { HoldfastError } from "../log/errors.ts";
import type { SessionRecord } from "../log/record.ts";
import { labelFrom } from "../log/text.ts";
import { checkDataVersion } from "./data.ts";
import { createSessionId, getDefaultStore } from "./defaults.ts";
import type { Events } from "./events.ts";
import { createEvents } from "./events.ts";
import { groupCommit } from "./group-commit.ts";
import { checkDuration, checkLabel } from "./input.ts";
import type { Runtime } from "./runtime.ts";
import type { SessionsOptions } from "./sessions.ts";
import type { Writer } from "./writer.ts";
import { createWriter } from "./writer.ts";
import { createWriters } from "./writers.ts";

const DEFAULT_LEASE_MS = 60_000;

export interface Host {
  readonly events: Events;
  /** Does something that `close` waits for. @throws SESSION_CLOSED */
  run<T>(work: (runtime: Runtime) => Promise<T>): Promise<T>;
  /** @throws SESSION_CLOSED */
  ready(): Promise<Runtime>;
  /** Saves what waits of the sessions that `keeps` names. */
  save(keeps: (record: SessionRecord) => boolean): Promise<void>;
  close(): Promise<void>;
}

export function createHost<D extends object>(options: SessionsOptions<D>): Host {
  const events = createEvents();
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const requireOpen = (): void => {
    if (closing) throw closedError();
  };
  const openRuntime = runtimeFactory(options, events, requireOpen);
  let runtime: Promise<Runtime> | undefined;

  async function ready(): Promise<Runtime> {
    requireOpen();
    runtime ??= openRuntime();
    return runtime;
  }

  async function run<T>(work: (runtime: Runtime) => Promise<T>): Promise<T> {
    const running = ready().then(work);
    underWay.add(running);
    try {
      return await running;
    } finally {
      underWay.delete(running);
    }
  }

  async function save(keeps: (record: SessionRecord) => boolean): Promise<void> {
    if (runtime === undefined) return;
    const { writers } = await runtime;
    const writing = writers.all().filter(({ record }) => record === undefined || keeps(record));
    // One that fails keeps no other from it.
    const results = await Promise.allSettled(writing.map(saveWhatCanBe));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  async function close(): Promise<void> {
    // A store that was given and never used is the sessions' to close all the same.
    if (runtime === undefined && options.store === undefined) return;
    runtime ??= openRuntime();
    const { store } = await runtime;
    await Promise.allSettled(underWay);
    try {
      await save(() => true);
    } finally {
      await store.close();
    }
  }

  return {
    events,
    run,
    ready,
    save,
    close() {
      closing ??= close();
      return closing;
    },
  };
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

export function closedError(): HoldfastError {
  return new HoldfastError("SESSION_CLOSED", "these sessions were closed; make new ones with createSessions");
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
    opened.onHealth?.(({ state, cause }) =>
      events.emit(state, { store: opened.name, ...(state === "degraded" && { error: cause }) }),
    );
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
