/**
 * @module
 * How the conformance suite gets at the OpenSearch store.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@opensearch-project/opensearch";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { OpenSearchServer } from "../engines/opensearch-server.ts";
import type { OpenedOpenSearch, OpenSearchLocation } from "./opensearch-open.ts";
import { indicesOf, openOpenSearch } from "./opensearch-open.ts";

const WRITER_PROCESS = fileURLToPath(new URL("opensearch-writer-process.ts", import.meta.url));
const run = promisify(execFile);

/**
 * The store on the server that `serverOf` gives, in indices whose names begin with `prefix`, or the namespace of it that
 * `namespaces` leads to. Making indices takes long, so they are made once and emptied.
 */
export function opensearchHarness(
  serverOf: () => OpenSearchServer,
  prefix: string,
  ...namespaces: string[]
): ConformanceHarness {
  let opened: OpenedOpenSearch[] = [];
  let location: OpenSearchLocation = { node: "", prefix, namespaces, isDurable: false };
  const connect = async (): Promise<SessionStore> => {
    const connection = openOpenSearch(location);
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    for (const { close } of opened) await close();
    opened = [];
  };
  return {
    async open() {
      location = { ...location, node: serverOf().node };
      await withRaw(serverOf(), (raw) => empty(raw, prefix));
      return connect();
    },
    openSecond: connect,
    // A restart of the node takes seconds; opensearch.test.ts kills it.
    async restart() {
      await closeAll();
      return connect();
    },
    async runWriter(task) {
      const { stdout } = await run(process.execPath, [
        WRITER_PROCESS,
        JSON.stringify(location),
        JSON.stringify(task),
      ]);
      return JSON.parse(stdout);
    },
    residue: (needle) => withRaw(serverOf(), (raw) => placesOf(raw, prefix, needle)),
    destroy: closeAll,
  };
}

export async function withRaw<T>({ node }: OpenSearchServer, work: (raw: Client) => Promise<T>): Promise<T> {
  const raw = new Client({ node });
  try {
    return await work(raw);
  } finally {
    await raw.close();
  }
}

/** Deletes every document, where the indices are there. */
async function empty(raw: Client, prefix: string): Promise<void> {
  const index = Object.values(indicesOf(prefix));
  await raw.indices.refresh({ index, ignore_unavailable: true });
  await raw.deleteByQuery({
    index,
    ignore_unavailable: true,
    refresh: true,
    body: { query: { match_all: {} } },
  });
}

/** The documents whose id, content or words hold `needle`, in upper or lower case. */
async function placesOf(raw: Client, prefix: string, needle: string): Promise<string[]> {
  const places: string[] = [];
  const word = needle.toLowerCase();
  for (const index of Object.values(indicesOf(prefix))) {
    await raw.indices.refresh({ index });
    const { body } = await raw.search({ index, body: { size: 10_000, query: { match_all: {} } } });
    for (const hit of body.hits.hits)
      if (JSON.stringify(hit).toLowerCase().includes(word)) places.push(`${index}/${hit._id}`);
    const found = await raw.search({ index, body: { query: { prefix: { words: { value: word } } } } });
    places.push(...found.body.hits.hits.map(({ _id }) => `the words of ${index}/${_id}`));
  }
  return places;
}
