/**
 * @module
 * A value in words that tell every two values apart that are not the same: types, order of keys and -0 included.
 */
export function showValue(value: unknown): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return `${value}n`;
    case "string":
      return `"${[...Array(value.length).keys()].map((index) => value.charCodeAt(index).toString(16)).join(" ")}"`;
    case "object":
      break;
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${Array.from(value, showValue).join(", ")}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Uint8Array) return `bytes(${[...value].join(" ")})`;
  const prototype = Object.getPrototypeOf(value) === Object.prototype ? "" : "foreign ";
  const entries = Object.entries(value).map(([key, item]) => `${showValue(key)}: ${showValue(item)}`);
  return `${prototype}{${entries.join(", ")}}`;
}
