/**
 * The OpenSearch store: sessions in a cluster that you search anyway, with full-text search over every message. On your
 * client of @opensearch-project/opensearch, or at a URL.
 *
 * @module holdfast/opensearch
 * @example
 * ```ts
 * import { Client } from "@opensearch-project/opensearch";
 * import { createSessions } from "holdfast";
 * import { opensearchStore } from "holdfast/opensearch";
 *
 * const client = new Client({ node: "http://localhost:9200" });
 * const sessions = createSessions({ store: opensearchStore({ client }) });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import { isPlainObject } from "../log/values.ts";
import type { MigrationReport, SessionStore, StoreCapabilities } from "../store/store.ts";
import type { DocumentEngine } from "./documents/store.ts";
import { documentStore } from "./documents/store.ts";
import type { OpenedClient, OpenSearchClient } from "./opensearch/client.ts";
import { addressOf, openClient, senderOf } from "./opensearch/client.ts";
import { documentsOver } from "./opensearch/documents.ts";
import { createDriver } from "./opensearch/driver.ts";
import { NAME, toHoldfastError } from "./opensearch/errors.ts";
import { migrateIndices, migrationRequired, SCHEMA_VERSION, schemaVersion } from "./opensearch/indices.ts";
import type { OpenSearchIndices } from "./opensearch/names.ts";
import { indexNames } from "./opensearch/names.ts";

export type { OpenSearchClient } from "./opensearch/client.ts";
export type { OpenSearchIndices } from "./opensearch/names.ts";

export type OpenSearchStoreOptions = OpenSearchSource & {
  /** Other names for the two indices. Default: `holdfast-sessions` and `holdfast-commits`. */
  readonly indices?: Partial<OpenSearchIndices>;
  /**
   * Settings of indices that the store makes, for example `{ number_of_shards: 3, number_of_replicas: 2,
   * refresh_interval: "200ms" }`. Those of an index that is there already are left as they are. Default: the cluster's own.
   */
  readonly settings?: Readonly<Record<string, unknown>>;
  /**
   * What the settings of your indices keep an acknowledged commit through; the store can't see it, and hands it on as
   * `capabilities.durability`.
   *
   * - `"process"`: the end of your process, but maybe not that of a node (`translog.durability` is `async`).
   * - `"disk"`: a power cut (OpenSearch's default).
   * - `"replicated"`: the loss of a disk (`number_of_replicas` of 1 or more, `write.wait_for_active_shards` of 2 or more).
   *
   * Default `"disk"`.
   */
  readonly durability?: "process" | "disk" | "replicated";
  /** Whether the first use makes the indices, or only `migrate()` does. Default `"auto"`. */
  readonly migrate?: "auto" | "manual";
};

type OpenSearchSource =
  | {
      /** A `Client` of @opensearch-project/opensearch. `close()` leaves it open. */
      readonly client: OpenSearchClient;
      readonly url?: undefined;
      readonly timeoutMs?: undefined;
    }
  | {
      /**
       * `opensearch://user:password@host:9200`, or `opensearch+https://…`: the store makes a client of its own. The package
       * @opensearch-project/opensearch must be installed.
       */
      readonly url: string;
      readonly client?: undefined;
      /** How long to wait for an answer. Default 30,000. */
      readonly timeoutMs?: number;
    };

const DEFAULT_TIMEOUT_MS = 30_000;
/** OpenSearch takes 100 MB a request; this bounds what one entry costs the cluster and every reader. */
const MAX_ENTRY_BYTES = 8 * 1024 * 1024;

const CAPABILITIES: Omit<StoreCapabilities, "durability"> = {
  search: "fulltext",
  watch: "poll",
  idempotency: "full",
  listConsistency: "eventual",
  maxEntryBytes: MAX_ENTRY_BYTES,
  nativeTtl: false,
  writers: "many",
};

/**
 * Keeps sessions in OpenSearch 2 or later, as documents that are created once: one a commit. Of two that write at one
 * version, one can create the next document. `find` and `read` ask for documents by id, so they see what was committed
 * at once; `list` and `search` ask the index, which shows it after its next refresh (a second, unless it is set
 * otherwise).
 *
 * Nothing is opened before the first call.
 *
 * @throws INVALID_ARGUMENT for options that make no sense. Calls on the store reject with STORE_UNAVAILABLE where
 *   OpenSearch does not answer or refuses, and MIGRATION_REQUIRED where its indices are of a newer release or are not
 *   Holdfast's, or are missing under `migrate: "manual"`.
 * @example
 * ```ts
 * import { opensearchStore } from "holdfast/opensearch";
 * const store = opensearchStore({
 *   url: process.env.OPENSEARCH_URL ?? "opensearch://localhost:9200",
 *   indices: { sessions: "shop-sessions", commits: "shop-commits" },
 *   settings: { number_of_replicas: 2 },
 * });
 * ```
 */
export function opensearchStore(options: OpenSearchStoreOptions): SessionStore {
  const connect = connectorOf(options);
  const names = indexNames(options.indices);
  const settings: unknown = options.settings ?? {};
  if (!isPlainObject(settings)) throw invalidArgument("settings must be an object of index settings");
  const { migrate = "auto", durability = "disk" } = options;
  if (!["process", "disk", "replicated"].includes(durability))
    throw invalidArgument('durability must be "process", "disk" or "replicated"');
  if (migrate !== "auto" && migrate !== "manual") throw invalidArgument('migrate must be "auto" or "manual"');

  const engineOf = ({ client, close }: OpenedClient): DocumentEngine => {
    const send = senderOf(client);
    let isMade = false;
    const bringUpToDate = async (): Promise<MigrationReport> => {
      const report = await migrateIndices(send, names, settings);
      isMade = true;
      return report;
    };
    const check = async (): Promise<void> => {
      const version = await schemaVersion(send, names);
      isMade = version === SCHEMA_VERSION;
      if (!isMade && migrate === "manual") throw migrationRequired(version);
    };
    return {
      driver: createDriver(
        documentsOver(send, () => !isMade),
        names,
      ),
      migrate: bringUpToDate,
      prepare: migrate === "auto" ? bringUpToDate : check,
      check,
      async ping() {
        await send({ method: "GET", path: "/" });
      },
      close,
    };
  };
  return documentStore({
    name: NAME,
    capabilities: { ...CAPABILITIES, durability },
    open: async () => engineOf(await connect()),
    toHoldfastError,
  });
}

function connectorOf({ client, url, timeoutMs }: OpenSearchStoreOptions): () => Promise<OpenedClient> {
  if (client !== undefined) {
    if (url !== undefined) throw invalidArgument("give opensearchStore either client or url, not both");
    senderOf(client);
    return async () => ({ client, close: async () => undefined });
  }
  const address = addressOf(url);
  const waitMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!(waitMs > 0)) throw invalidArgument("timeoutMs must be a positive number of milliseconds");
  return () => openClient(address, waitMs);
}
