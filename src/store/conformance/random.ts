/**
 * @module
 * A small seeded generator of random numbers, so that a run that failed can be played again.
 */

export interface Random {
  /** A whole number from 0 up to, not including, `below`. */
  integer(below: number): number;
  /** One of `items`. */
  pick<T>(items: readonly [T, ...T[]]): T;
  /** True `percent` times of a hundred. */
  chance(percent: number): boolean;
}

/**
 * The same numbers for the same `seed`.
 *
 * @see mulberry32 by Tommy Ettinger, public domain: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
 */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below: number): number => Math.floor(next() * below);
  return {
    integer,
    pick: (items) => items[integer(items.length)] ?? items[0],
    chance: (percent) => integer(100) < percent,
  };
}

/** A seed that differs from run to run. */
export function newSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
}
