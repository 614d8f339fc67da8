/**
 * @module
 * How namespaces within namespaces are named, in one place for every store.
 */
import { checkId } from "../log/values.ts";

/**
 * The path of the namespace `name` within `path`: names percent-encoded, each ended by `/`, so that no two ways in
 * meet. `""` names the namespace that one is in.
 *
 * @throws INVALID_ARGUMENT for a name that is no id.
 * @example
 * ```ts
 * namespacePath(namespacePath("", "a/b"), "c"); // "a%2Fb/c/"
 * ```
 */
export function namespacePath(path: string, name: string): string {
  return name === "" ? path : `${path}${encodeURIComponent(checkId(name, "namespace"))}/`;
}

/** What records say of the namespace at `path`: the path without its last `/`. */
export function namespaceName(path: string): string {
  return path.slice(0, -1);
}
