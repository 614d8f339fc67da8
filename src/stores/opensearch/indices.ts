/**
 * @module
 * The store's two indices: their mappings and templates, made at first use and checked ever after.
 */
import { HoldfastError } from "../../log/errors.ts";
import type { MigrationReport } from "../../store/store.ts";
import type { Fields } from "./answers.ts";
import { fieldsAt } from "./answers.ts";
import type { Send } from "./client.ts";
import { failureOf, NAME } from "./errors.ts";
import type { OpenSearchIndices } from "./names.ts";
import { WORD_LENGTH, WORDS_ANALYZER } from "./words.ts";

export const SCHEMA_VERSION = 1;

/** Above the templates that a cluster brings along, which have up to 100. */
const TEMPLATE_PRIORITY = 200;

const keyword = { type: "keyword", ignore_above: 512 } as const;
const time = { type: "double" } as const;

/** What is named here can be searched; all else is kept and given back as it is. */
const MAPPINGS: Readonly<Record<keyof OpenSearchIndices, Fields>> = {
  sessions: {
    properties: {
      space: { type: "keyword" },
      life: { type: "keyword" },
      ordinal: { type: "long" },
      id: { type: "keyword" },
      userId: keyword,
      agent: keyword,
      parentId: keyword,
      kind: keyword,
      label: keyword,
      status: keyword,
      metadata: { type: "keyword" },
      createdAt: time,
      updatedAt: time,
      expiresAt: time,
      reservedAt: time,
      markedAt: time,
    },
  },
  commits: {
    // The words are in the entries already, so they are indexed and not kept.
    _source: { excludes: ["words"] },
    properties: {
      space: { type: "keyword" },
      life: { type: "keyword" },
      ordinal: { type: "long" },
      at: time,
      since: time,
      words: { type: "text", analyzer: WORDS_ANALYZER, norms: false, index_options: "docs" },
    },
  },
};

const ANALYSIS = {
  analyzer: { [WORDS_ANALYZER]: { type: "custom", tokenizer: WORDS_ANALYZER } },
  tokenizer: { [WORDS_ANALYZER]: { type: "whitespace", max_token_length: WORD_LENGTH } },
} as const;

const KINDS = ["sessions", "commits"] as const;

/**
 * The version of the schema that the indices have; 0 where one of them is not there.
 *
 * @throws MIGRATION_REQUIRED where an index is of a newer release or is not Holdfast's.
 */
export async function schemaVersion(send: Send, names: OpenSearchIndices): Promise<number> {
  const versions = await Promise.all(
    KINDS.map(async (kind) => {
      const found = await mappingOf(send, names[kind]);
      return found ? versionIn(found, kind, names[kind]) : 0;
    }),
  );
  return Math.min(...versions);
}

/** The mapping of an index, or of the one that an alias leads to. */
async function mappingOf(send: Send, name: string): Promise<Fields | undefined> {
  try {
    const answer = await send({ method: "GET", path: `/${name}/_mapping` });
    const [index] = Object.values(fieldsAt(answer));
    return fieldsAt(index, "mappings");
  } catch (error) {
    if (failureOf(error).type === "index_not_found_exception") return undefined;
    throw error;
  }
}

function versionIn(mapping: Fields, kind: keyof OpenSearchIndices, name: string): number {
  const { schema, kind: held } = fieldsAt(mapping, "_meta", "holdfast");
  if (typeof schema !== "number" || held !== kind) {
    throw new HoldfastError(
      "MIGRATION_REQUIRED",
      `the index ${JSON.stringify(name)} is there and is not the ${kind} of Holdfast; nothing was changed: give the store another name by indices.${kind}, or remove that index`,
      { store: NAME },
    );
  }
  if (schema > SCHEMA_VERSION) {
    throw new HoldfastError(
      "MIGRATION_REQUIRED",
      `the index ${JSON.stringify(name)} has schema ${schema} and this release of Holdfast knows ${SCHEMA_VERSION}; nothing was changed: update holdfast`,
      { store: NAME },
    );
  }
  return schema;
}

/** @throws MIGRATION_REQUIRED */
export function migrationRequired(version: number): HoldfastError {
  return new HoldfastError(
    "MIGRATION_REQUIRED",
    `the indices in OpenSearch have schema ${version} and this release of Holdfast needs ${SCHEMA_VERSION}; call store.migrate() or run "holdfast migrate"`,
    { store: NAME },
  );
}

/**
 * Makes templates and indices where they are missing. Safe to repeat, and from several processes at once.
 *
 * @throws MIGRATION_REQUIRED where an index is of a newer release or is not Holdfast's; then nothing was changed.
 */
export async function migrateIndices(
  send: Send,
  names: OpenSearchIndices,
  settings: Fields,
): Promise<MigrationReport> {
  const from = await schemaVersion(send, names);
  const steps: string[] = [];
  for (const kind of from < SCHEMA_VERSION ? KINDS : []) {
    const name = names[kind];
    if (await mappingOf(send, name)) continue;
    await send({ method: "PUT", path: `/_index_template/${name}`, body: templateOf(kind, name, settings) });
    if (await create(send, name)) steps.push(`made the index template and the index ${JSON.stringify(name)}`);
  }
  return { store: NAME, from, to: SCHEMA_VERSION, steps };
}

function templateOf(kind: keyof OpenSearchIndices, name: string, settings: Fields): Record<string, unknown> {
  return {
    index_patterns: [name],
    priority: TEMPLATE_PRIORITY,
    template: {
      settings: { ...settings, ...(kind === "commits" && { analysis: ANALYSIS }) },
      mappings: {
        ...MAPPINGS[kind],
        dynamic: false,
        _meta: { holdfast: { schema: SCHEMA_VERSION, kind } },
      },
    },
  };
}

/** Whether this call made it; of several at once, one does. */
async function create(send: Send, name: string): Promise<boolean> {
  try {
    await send({ method: "PUT", path: `/${name}` });
    return true;
  } catch (error) {
    if (failureOf(error).type === "resource_already_exists_exception") return false;
    throw error;
  }
}
