/**
 * @module
 * Timing. What is compared runs in the same process, in turns (A B, B A, A B …) of a few milliseconds each, and a ratio
 * is taken within each round of such turns, so that a machine that gets slower or busier changes both sides of it.
 */

/** A number over several rounds: the median, and the 10th and 90th percentiles around it. */
export interface Measured {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** One side of a comparison. `ms` holds the time of each round that counted, all its turns together. */
export interface Part {
  /** Before the first turn of a round; not timed. */
  prepare(round: number): unknown;
  run(round: number, turn: number): unknown;
  readonly ms: number[];
}

export interface Rounds {
  readonly most: number;
  /** Measured at least, up to three times the budget. Default 5. */
  readonly least?: number;
  /** No further round is begun after this time, once there are enough. */
  readonly budgetMs: number;
  /** Run first and not counted. Default 1. */
  readonly warmUps?: number;
  /** How many turns each part has in a round. Default 1. */
  readonly turns?: number;
}

export function part(run: Part["run"], prepare: Part["prepare"] = () => undefined): Part {
  return { run, prepare, ms: [] };
}

/** Runs `parts` in rounds, in turns; every second turn in the opposite order. */
export async function interleave(parts: readonly Part[], rounds: Rounds): Promise<void> {
  const { most, least = Math.min(5, most), budgetMs, warmUps = 1, turns = 1 } = rounds;
  const startedAt = performance.now();
  for (let round = 0; round < warmUps + most; round += 1) {
    const spentMs = performance.now() - startedAt;
    if (spentMs > budgetMs && round >= warmUps + least) return;
    if (spentMs > 3 * budgetMs && round > warmUps) return;
    const sums = new Map<Part, number>();
    for (const one of parts) await one.prepare(round);
    for (let turn = 0; turn < turns; turn += 1) {
      for (const one of (round + turn) % 2 === 0 ? parts : parts.toReversed()) {
        const ms = await timed(() => one.run(round, turn));
        sums.set(one, (sums.get(one) ?? 0) + ms);
      }
    }
    if (round < warmUps) continue;
    for (const [one, ms] of sums) one.ms.push(ms);
  }
}

/** How long `work` takes, in milliseconds. */
export async function timed(work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** `a` ÷ `b`, round by round. */
export function ratio(a: Part, b: Part): Measured {
  return summary(a.ms.map((ms, round) => ms / (b.ms[round] ?? Number.NaN)));
}

/** The time of one of `count` operations in a round, in milliseconds. */
export function each(one: Part, count: number): Measured {
  return summary(one.ms.map((ms) => ms / count));
}

export function summary(values: readonly number[]): Measured {
  const sorted = values.toSorted((a, b) => a - b);
  return { value: quantile(sorted, 0.5), low: quantile(sorted, 0.1), high: quantile(sorted, 0.9) };
}

/** Linear between the two values that it falls between. */
function quantile(sorted: readonly number[], fraction: number): number {
  const place = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}
