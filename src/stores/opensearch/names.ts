/**
 * @module
 * The names of the store's indices.
 */
import { invalidArgument } from "../../log/errors.ts";

export interface OpenSearchIndices {
  /** One document a session: its record, for lists. Default `"holdfast-sessions"`. */
  readonly sessions: string;
  /** One document a commit: the log, with the words that a search looks for. Default `"holdfast-commits"`. */
  readonly commits: string;
}

const DEFAULTS: OpenSearchIndices = { sessions: "holdfast-sessions", commits: "holdfast-commits" };

/**
 * The names with defaults filled in.
 *
 * @throws INVALID_ARGUMENT for a name that OpenSearch does not take, that is a pattern, or that is given twice.
 * @see https://docs.opensearch.org/latest/api-reference/index-apis/create-index/#index-naming-restrictions
 */
export function indexNames(given: Partial<OpenSearchIndices> = {}): OpenSearchIndices {
  const names = { ...DEFAULTS, ...given };
  for (const kind of ["sessions", "commits"] as const) {
    const name: unknown = names[kind];
    if (typeof name !== "string" || name.length > 200 || !/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
      throw invalidArgument(
        `indices.${kind} must be a name of lower-case letters, digits, ".", "_" and "-", that begins with a letter or digit and is at most 200 characters long, not ${JSON.stringify(name)}`,
      );
    }
  }
  if (names.sessions === names.commits)
    throw invalidArgument(`indices.sessions and indices.commits are both ${JSON.stringify(names.sessions)}`);
  return names;
}
