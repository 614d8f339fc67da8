/**
 * @module
 * One node of OpenSearch with its default durability: the translog is on the disk before it answers.
 */
import { Client } from "@opensearch-project/opensearch";
import { opensearchStore } from "../../src/stores/opensearch.ts";
import { missingOpenSearch, startOpenSearch } from "../../test/engines/opensearch-server.ts";
import type { BenchServer } from "./server.ts";

const SETTINGS = { number_of_shards: 1, number_of_replicas: 0 };

export async function opensearchBench(): Promise<BenchServer | undefined> {
  const missing = missingOpenSearch();
  if (missing !== undefined) {
    console.log(`left out: ${missing}`);
    return undefined;
  }
  const server = await startOpenSearch();
  const client = new Client({ node: server.node });
  for (const index of ["floor-sessions", "floor-entries"])
    await client.indices.create({ index, body: { settings: SETTINGS } });
  const versions = new Map<string, number>();
  /** An entry that must not be there, and the session with its version, in one request. */
  const send = async (ids: readonly string[], message: object): Promise<void> => {
    const text = JSON.stringify(message);
    const body = ids.flatMap((id) => {
      const version = (versions.get(id) ?? 0) + 1;
      versions.set(id, version);
      return [
        { create: { _index: "floor-entries", _id: `${id}-${version}` } },
        { session: id, at: Date.now(), message: text },
        { index: { _index: "floor-sessions", _id: id, version, version_type: "external" as const } },
        { version, updatedAt: Date.now() },
      ];
    });
    const answer = await client.bulk({ body });
    if (answer.body.errors) throw new Error("a session was changed by another writer");
  };
  return {
    name: `opensearch ${server.version}`,
    store: opensearchStore({ client, settings: SETTINGS }),
    floor: {
      what: "one _bulk: create the entry, index the session",
      create: async () => undefined,
      append: (id, message) => send([id], message),
      appendToAll: send,
    },
    async settle() {
      await client.indices.refresh({ index: "holdfast-*" });
    },
    async stop() {
      await client.close();
      await server.stop();
    },
  };
}
