/**
 * @module
 * Rows: what the benchmarks answer with, and whether a bar is met.
 */
import type { LongFixture } from "./fixtures.ts";
import type { BenchFolder } from "./folder.ts";
import type { Measured } from "./measure.ts";
import type { Transcripts } from "./messages.ts";
import type { Engine } from "./stores.ts";

export interface Row {
  readonly suite: string;
  readonly measure: string;
  readonly value: number;
  readonly unit: "×" | "kB" | "MB" | "ms" | "µs" | "";
  readonly spread?: { readonly low: number; readonly high: number };
  /** Absent: for information. */
  readonly bar?: Bar;
  readonly note?: string;
}

export type Bar = { readonly atMost: number } | { readonly atLeast: number };

/** What a benchmark is given. */
export interface Bench {
  /** A short run that proves that everything works; its numbers are rough. */
  readonly isQuick: boolean;
  readonly folder: BenchFolder;
  readonly transcripts: Transcripts;
  /** A session of 100,000 messages (10,000 in a short run), and one of 100, in a store of `engine`. */
  long(engine: Engine): Promise<LongFixture>;
}

export interface Suite {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<Row[]>;
}

/** What a measure may take: in a short run a fifth. */
export function budgetOf({ isQuick }: Pick<Bench, "isQuick">, ms: number): number {
  return isQuick ? ms / 5 : ms;
}

/** A row of a number that was measured over several rounds. */
export function row(
  suite: string,
  measure: string,
  { value, low, high }: Measured,
  unit: Row["unit"],
  more: Pick<Row, "bar" | "note"> = {},
): Row {
  return { suite, measure, value, unit, spread: { low, high }, ...more };
}

/** `undefined` where there is no bar. A value that is no number misses it. */
export function isMet({ value, bar }: Row): boolean | undefined {
  if (!bar) return undefined;
  return "atMost" in bar ? value <= bar.atMost : value >= bar.atLeast;
}

/** A time that was measured in milliseconds, in whole microseconds, for a note. */
export function microseconds(ms: Measured): string {
  const us = ms.value * 1000;
  return us < 10 ? us.toFixed(1) : us.toFixed(0);
}

/** A measured number in another unit. */
export function scaled({ value, low, high }: Measured, factor: number): Measured {
  return { value: value * factor, low: low * factor, high: high * factor };
}
