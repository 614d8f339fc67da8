/**
 * @module
 * Typed session data: validation by any Standard Schema, and migration of data that an older version stored.
 */

import type { StoredObject } from "../log/entry.ts";
import { HoldfastError, invalidArgument } from "../log/errors.ts";
import { copyValue, isPlainObject } from "../log/values.ts";
import { storedObject } from "./input.ts";
import type { Runtime } from "./runtime.ts";

/**
 * The part of the Standard Schema interface that is used here; zod, valibot and arktype implement it.
 *
 * @see https://standardschema.dev
 */
export interface DataSchema<D = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
    readonly types?: { readonly input: unknown; readonly output: D } | undefined;
  };
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * Checks data that may not be complete yet: what is there must be valid, what is missing may come later.
 *
 * @throws INVALID_DATA naming each key that does not fit and why.
 */
export async function checkData(
  schema: DataSchema | undefined,
  data: StoredObject,
  sessionId: string,
): Promise<void> {
  if (schema === undefined) return;
  const reasons = (await problemsWith(schema, data)).join("; ");
  if (reasons === "") return;
  throw new HoldfastError(
    "INVALID_DATA",
    `the data for session ${JSON.stringify(sessionId)} does not fit its schema, so nothing was saved: ${reasons}`,
    { sessionId },
  );
}

/** What does not fit, and why. */
export async function problemsWith(schema: DataSchema, data: StoredObject): Promise<string[]> {
  const { issues = [] } = await schema["~standard"].validate(data);
  return issues
    .filter((issue) => !isAboutMissing(issue, data))
    .map((issue) => `${pathOf(issue).join(".") || "data"}: ${issue.message}`);
}

function isAboutMissing(issue: SchemaIssue, data: StoredObject): boolean {
  const [key] = pathOf(issue);
  return key !== undefined && !Object.hasOwn(data, key);
}

function pathOf(issue: SchemaIssue): string[] {
  return (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part));
}

/**
 * Which way data of an earlier version goes.
 *
 * @throws MIGRATION_REQUIRED where the data is of a newer version, or older and there is no way to migrate it.
 */
export function needsMigration(
  stored: number,
  wanted: number,
  canMigrate: boolean,
  sessionId: string,
): boolean {
  if (stored === wanted) return false;
  if (stored < wanted && canMigrate) return true;
  throw new HoldfastError(
    "MIGRATION_REQUIRED",
    stored > wanted
      ? `the data of session ${JSON.stringify(sessionId)} is of version ${stored} and this program knows ${wanted}; update the program`
      : `the data of session ${JSON.stringify(sessionId)} is of version ${stored} and this program wants ${wanted}; give createSessions a migrateData function`,
    { sessionId },
  );
}

/** Data of version `from` in the shape of this version, checked. */
export async function migrated(
  { migrateData, schema }: Pick<Runtime, "migrateData" | "schema">,
  data: StoredObject,
  from: number,
  sessionId: string,
): Promise<StoredObject> {
  const copy: unknown = copyValue(data);
  const made = storedObject(await migrateData?.(isPlainObject(copy) ? copy : {}, from), "the migrated data");
  await checkData(schema, made, sessionId);
  return made;
}

/** @throws INVALID_ARGUMENT unless it is a whole number of at least 1. */
export function checkDataVersion(version: number): number {
  if (Number.isInteger(version) && version >= 1) return version;
  throw invalidArgument(`dataVersion must be a whole number of at least 1, not ${String(version)}`);
}
