/**
 * @module
 * Opens the OpenSearch store by a description that is plain JSON, so that another process can open the same one.
 */
import { Client } from "@opensearch-project/opensearch";
import type { SessionStore } from "../../src/store/store.ts";
import { opensearchStore } from "../../src/stores/opensearch.ts";

export interface OpenSearchLocation {
  readonly node: string;
  /** What the names of both indices begin with. */
  readonly prefix: string;
  /** Namespaces, outermost first. */
  readonly namespaces: readonly string[];
  /** Whether each write waits for the disk, as it does by default. */
  readonly isDurable: boolean;
}

export interface OpenedOpenSearch {
  readonly store: SessionStore;
  readonly client: Client;
  /** Closes the store and its client. Safe to repeat. */
  close(): Promise<void>;
}

/** No copies on a single node, and lists that are late by little. */
const SETTINGS = { number_of_shards: 1, number_of_replicas: 0, refresh_interval: "50ms" };

export function indicesOf(prefix: string): { sessions: string; commits: string } {
  return { sessions: `${prefix}-sessions`, commits: `${prefix}-commits` };
}

export function openOpenSearch(location: OpenSearchLocation): OpenedOpenSearch {
  const { node, prefix, namespaces, isDurable } = location;
  const client = new Client({ node });
  const settings = { ...SETTINGS, "translog.durability": isDurable ? "request" : "async" };
  const durability = isDurable ? "disk" : "process";
  const root = opensearchStore({ client, indices: indicesOf(prefix), settings, durability });
  return {
    store: namespaces.reduce((view: SessionStore, name) => view.namespace(name), root),
    client,
    async close() {
      await root.close();
      await client.close();
    },
  };
}
