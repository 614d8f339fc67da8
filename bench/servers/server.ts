/**
 * @module
 * A server that is measured: Holdfast on it, and the same engine driven by hand on the same client.
 */
import type { SessionStore } from "../../src/index.ts";
import type { BenchMessage } from "../messages.ts";

/** The least that a program does which keeps conversations there: nothing is checked but the version. */
export interface ServerFloor {
  /** What one append is, for the report. */
  readonly what: string;
  create(id: string): Promise<void>;
  append(id: string, message: BenchMessage): Promise<void>;
  /** One message to each of `ids`, batched as well as it goes by hand. */
  appendToAll(ids: readonly string[], message: BenchMessage): Promise<void>;
}

export interface BenchServer {
  /** As the report names it, with its version. */
  readonly name: string;
  /** An empty store, on the client that the floors use. */
  readonly store: SessionStore;
  /** What the bars are measured against. */
  readonly floor: ServerFloor;
  /** Other ways to do it by hand, for information. */
  readonly others?: readonly ServerFloor[];
  /** How many times as fast 64 sessions at once must be. */
  readonly atLeastAtOnce?: number;
  /** How many times the bytes of its messages a conversation may take. */
  readonly atMostAtRest?: number;
  /** Whether `sizes` are estimates, too rough for a few thousand messages. */
  readonly hasRoughSizes?: boolean;
  /** How many messages and sessions it is measured with, where the usual ones take hours. */
  readonly counts?: { readonly long: number; readonly longest: number; readonly sessions: number };
  /**
   * Bytes of what the store has written so far, by part; the index for search is the part `search`. With `isPacked`,
   * without what former versions of rows still take.
   */
  sizes?(isPacked?: boolean): Promise<Readonly<Record<string, number>>>;
  /** What an engine does by itself a while after many were written: lists show them, statistics know of them. */
  settle?(): Promise<void>;
  stop(): Promise<void>;
}
