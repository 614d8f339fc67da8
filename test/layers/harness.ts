/**
 * @module
 * How the conformance suite gets at a layer over each engine. What a layer does to a store is a module of its own, so that
 * another process can do the same.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, test } from "vitest";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import type { RedisServer } from "../engines/redis-server.ts";
import { missingRedis, startRedis } from "../engines/redis-server.ts";
import type { LocatedHarness } from "../stores/harnesses.ts";
import { folderHarness, memoryHarness, placesIn } from "../stores/harnesses.ts";
import { serverHarness } from "../stores/postgres-support.ts";
import { redisHarness } from "../stores/redis-harness.ts";

/**
 * Puts layers around `store`. `folder` is for what they keep beside it; all processes of one case share it.
 * A module of a layer exports it as `wrap`.
 */
export type Wrap = (store: SessionStore, folder: string) => SessionStore;

const WRITER_PROCESS = fileURLToPath(new URL("writer-process.ts", import.meta.url));
const run = promisify(execFile);

/**
 * `base` with what `wrapModule` (the URL of a module) puts around its stores, or the namespace of that which `namespaces`
 * leads to.
 */
export async function layeredHarness(
  base: ConformanceHarness | LocatedHarness,
  wrapModule: string,
  ...namespaces: string[]
): Promise<ConformanceHarness> {
  const { wrap }: { wrap: Wrap } = await import(wrapModule);
  let folder = "";
  let opened: SessionStore[] = [];
  const layered = (store: SessionStore): SessionStore => {
    const root = wrap(store, folder);
    opened.push(root);
    return namespaces.reduce((view, name) => view.namespace(name), root);
  };
  const closeAll = async (): Promise<void> => {
    for (const store of opened) await store.close();
    opened = [];
  };
  const { restart, residue } = base;
  return {
    async open() {
      folder = await mkdtemp(join(tmpdir(), "holdfast-layer-"));
      return layered(await base.open());
    },
    openSecond: async () => layered(await base.openSecond()),
    ...(restart && {
      async restart() {
        await closeAll();
        return layered(await restart());
      },
    }),
    ...(residue && {
      residue: async (needle: string) => [...(await residue(needle)), ...(await placesIn(folder, needle))],
    }),
    ...("location" in base && {
      async runWriter(task) {
        const place = [base.location(), wrapModule, folder, namespaces, task];
        const { stdout } = await run(process.execPath, [WRITER_PROCESS, JSON.stringify(place)]);
        return JSON.parse(stdout);
      },
    }),
    async destroy() {
      await closeAll();
      await base.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const LAYER_ENGINES = ["memory", "sqlite", "postgres", "redis"] as const;
export type LayerEngine = (typeof LAYER_ENGINES)[number];

/** Every case of the suite on what `wrapModule` puts around each engine; in memory through a namespace too. */
export async function layerConforms(
  title: string,
  wrapModule: string,
  engines: readonly LayerEngine[] = LAYER_ENGINES,
): Promise<void> {
  const TENANT = "tenant: a/../b";
  for (const engine of engines) {
    const { harness, missing, start, stop } = await baseOf(engine);
    if (missing) console.log(`left out: conformance of ${title} over ${engine}: ${missing}`);
    const isLeftOut = missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all";
    describe.skipIf(isLeftOut)(`${title} over ${engine}`, async () => {
      beforeAll(start, 60_000);
      afterAll(stop);
      runConformance(await layeredHarness(harness, wrapModule), { test, describe });
    });
    if (engine !== "memory") continue;
    describe(`${title} over ${engine}, in a namespace`, async () => {
      runConformance(await layeredHarness(harness, wrapModule, TENANT), { test, describe });
    });
  }
}

interface Base {
  readonly harness: ConformanceHarness | LocatedHarness;
  readonly missing?: string | undefined;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function baseOf(engine: LayerEngine): Promise<Base> {
  const nothing = async (): Promise<void> => undefined;
  if (engine === "memory") return { harness: memoryHarness(), start: nothing, stop: nothing };
  if (engine === "sqlite") return { harness: folderHarness("sqlite"), start: nothing, stop: nothing };
  if (engine === "redis") {
    const missing = missingRedis();
    const servers: RedisServer[] = [];
    return {
      harness: redisHarness(() => servers, "ioredis"),
      missing,
      async start() {
        if (missing) throw new Error(missing);
        servers.push(await startRedis({ appendfsync: "always" }));
      },
      stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
    };
  }
  const server = await startPostgres();
  // Where there is no server and it is not required, startPostgres has said so.
  if (!server) return { harness: memoryHarness(), missing: "no PostgreSQL", start: nothing, stop: nothing };
  const pool = poolOf({ connectionString: server.url, max: 2 });
  return {
    harness: serverHarness("pg", server.url, pool),
    start: nothing,
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}
