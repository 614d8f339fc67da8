/**
 * @module
 * What is said where a database has another version of the schema, for every SQL dialect.
 */
import { HoldfastError } from "../../log/errors.ts";

export function tooNew(store: string, version: number, known: number): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    `the database has schema version ${version} and this release of Holdfast knows versions up to ${known}; nothing was changed: upgrade holdfast`,
    { store },
  );
}

/** An error for a first use where migrations are left to the user. */
export function migrationRequired(store: string, version: number, needed: number): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    `the database has ${version === 0 ? "no Holdfast tables" : `schema version ${version}`} and needs version ${needed}; call store.migrate() or run "holdfast migrate", or leave out migrate: "manual"`,
    { store },
  );
}
