/** The same letters at every run: https://github.com/cprosche/mulberry32 */
export interface Random {
  /** `count` characters of `alphabet`. */
  of(alphabet: string, count: number): string;
  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number;
  bytes(count: number): Uint8Array;
}

export const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
export const LOWER = "abcdefghijklmnopqrstuvwxyz";
export const DIGITS = "0123456789";
export const HEX = "0123456789abcdef";
export const LETTERS = UPPER + LOWER;
export const ALNUM = LETTERS + DIGITS;
export const BASE32 = `${UPPER}234567`;
export const BASE64 = `${ALNUM}+/`;
export const URL64 = `${ALNUM}-_`;

export function randomOf(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    between,
    of: (alphabet, count) =>
      Array.from({ length: count }, () => alphabet.charAt(between(0, alphabet.length - 1))).join(""),
    bytes: (count) => Uint8Array.from({ length: count }, () => between(0, 255)),
  };
}
