/**
 * @module
 * The one place where stored values become the caller's types. What went in as `M` was checked by the compiler then;
 * it comes back deep-equal, so it is an `M` now. Nothing is checked at run time.
 */

function isStoredAs<T>(_value: unknown): _value is T {
  return true;
}

/** `value`, known to have been stored as a `T`. */
export function storedAs<T>(value: unknown): T {
  if (isStoredAs<T>(value)) return value;
  throw new TypeError("unreachable");
}
