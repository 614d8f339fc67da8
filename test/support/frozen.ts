/**
 * @module
 * Values that can't be changed: whoever tries throws, since modules are strict.
 */

/** Freezes `value` and all that it holds, and gives it back. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const held: unknown[] = Object.values(value);
  held.forEach(frozen);
  return Object.freeze(value);
}
