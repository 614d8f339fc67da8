/**
 * @module
 * What the suite needs of whoever runs it, what a case is, and what a run answers with.
 */
import type { SessionStore, StoreCapabilities } from "../store.ts";
import type { WriterReport, WriterTask } from "./writer-task.ts";

/**
 * How the suite gets at one store. Each case calls `open`, runs, and calls `destroy`, so that no case sees what another
 * one wrote.
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { fileStore } from "holdfast";
 * import type { ConformanceHarness } from "holdfast/conformance";
 *
 * let directory = "";
 * const harness: ConformanceHarness = {
 *   async open() {
 *     directory = await mkdtemp(join(tmpdir(), "holdfast-"));
 *     return fileStore(directory);
 *   },
 *   openSecond: async () => fileStore(directory),
 *   restart: async () => fileStore(directory),
 *   destroy: () => rm(directory, { recursive: true, force: true }),
 * };
 * ```
 */
export interface ConformanceHarness {
  /** Opens the store on storage that holds nothing. */
  open(): Promise<SessionStore>;
  /** Another connection to the storage of the last `open`; the same store where there is no such thing. */
  openSecond(): Promise<SessionStore>;
  /** Closes every connection and opens the same storage again. Absent for a store that keeps nothing. */
  restart?(): Promise<SessionStore>;
  /**
   * The places in raw storage (file and table names, keys, rows, bytes) where `needle` still occurs, for messages; none
   * where it is gone. `needle` is of ASCII letters and digits.
   */
  residue?(needle: string): Promise<string[]>;
  /** Runs `runWriterTask(store, task)` on the storage of the last `open` in another process. */
  runWriter?(task: WriterTask): Promise<WriterReport>;
  /** Closes all that was opened and removes what it stored. The store may be closed already. */
  destroy(): Promise<void>;
}

/** What one case works with. */
export interface ConformanceContext {
  /** The store, with nothing in it. */
  readonly store: SessionStore;
  readonly harness: ConformanceHarness;
  /** What random choices are drawn from; a failure names it. */
  readonly seed: number;
  /** A second connection, the same at each call. */
  second(): Promise<SessionStore>;
  /** Runs `assertions`; where the store lists and searches with a delay, again until they hold or 10 s are over. */
  settled(assertions: () => Promise<void>): Promise<void>;
}

/** What a store or harness may lack. `declared` proves that a store which lacks it says so. */
export interface Requirement {
  /** What is needed, for the report: "full-text search". */
  readonly name: string;
  isMet(store: SessionStore, harness: ConformanceHarness): boolean;
  declared(store: SessionStore): Promise<void>;
}

/** One case: data, and the one function that runs it. */
export interface ConformanceCase {
  /** Names the case for ever, for example `"commit/one-winner"`. */
  readonly key: string;
  /** The clause of `docs/spec.md` that it proves. */
  readonly clause: string;
  readonly title: string;
  /** A store that does not meet it is `unsupported`; then what is tested is that it declares so. */
  readonly requires?: Requirement;
  /** Resolves where the store keeps the clause, and rejects with what was expected and what came. */
  readonly run: (context: ConformanceContext) => Promise<void>;
}

export interface ConformanceCaseResult {
  readonly key: string;
  readonly clause: string;
  readonly title: string;
  readonly status: "passed" | "failed" | "unsupported";
  readonly ms: number;
  /** Why it failed. */
  readonly error?: string;
  /** What the store or the harness lacks, where the status is `unsupported`. */
  readonly lacks?: string;
}

export interface ConformanceReport {
  /** The store's name. */
  readonly store: string;
  readonly capabilities: StoreCapabilities;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly cases: readonly ConformanceCaseResult[];
}

export interface ConformanceOptions {
  /** What random choices are drawn from. Default: another seed each run; a failure names it. */
  readonly seed?: number;
  /** Runs only the cases whose key begins so. */
  readonly only?: string;
}
