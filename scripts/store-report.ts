/**
 * Runs the whole conformance suite on every engine and writes what came of it, with what each store says that it can do, into
 * docs/stores/README.md. Takes some minutes.
 *
 *     node scripts/store-report.ts [part of an engine's name …]
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { createPool } from "mysql2/promise";
import { createStore } from "../src/index.ts";
import type { ConformanceHarness, ConformanceReport } from "../src/store/conformance/index.ts";
import { conformanceReport } from "../src/store/conformance/index.ts";
import type { SessionStore } from "../src/store/store.ts";
import { missingFerret, startFerret } from "../test/engines/ferretdb-server.ts";
import { startMariadb } from "../test/engines/mariadb-server.ts";
import { missingOpenSearch, startOpenSearch } from "../test/engines/opensearch-server.ts";
import { poolOf } from "../test/engines/pool.ts";
import { startPostgres } from "../test/engines/postgres-server.ts";
import { missingRedis, startRedis, startRedisCluster } from "../test/engines/redis-server.ts";
import { folderHarness, memoryHarness } from "../test/stores/harnesses.ts";
import { mongodbHarness } from "../test/stores/mongodb-harness.ts";
import { mysqlHarness } from "../test/stores/mysql-harness.ts";
import { opensearchHarness } from "../test/stores/opensearch-harness.ts";
import { pgliteHarness, serverHarness } from "../test/stores/postgres-support.ts";
import { redisHarness } from "../test/stores/redis-harness.ts";

const PAGE = join(import.meta.dirname, "../docs/stores/README.md");
const [BEGIN, END] = ["<!-- begin: made by scripts/store-report.ts -->", "<!-- end -->"];

/** Stores as they are by default, for what they say of themselves; nobody connects to these. */
const URLS = [
  "memory",
  "file:./sessions",
  "sqlite:./sessions.db",
  "postgres://localhost/app",
  "mysql://localhost/app",
  "redis://localhost",
  "mongodb://localhost/app",
  "opensearch://localhost:9200",
];

interface Started {
  /** How the page names the engine: its version, and the client. */
  readonly title: string;
  readonly harness: ConformanceHarness;
}

/** Each starts an engine, hands it on, and stops it. */
const engines: readonly [name: string, run: (use: (started: Started) => Promise<void>) => Promise<void>][] = [
  ["memory", (use) => use({ title: "memory", harness: memoryHarness() })],
  ["file", (use) => use({ title: "file", harness: folderHarness("file") })],
  [
    "sqlite",
    (use) =>
      use({
        title: `sqlite: SQLite ${process.versions.sqlite}, node:sqlite`,
        harness: folderHarness("sqlite"),
      }),
  ],
  [
    "postgres",
    async (use) => {
      for (const from of ["system", "npm"] as const) {
        const server = required(await startPostgres({ from }), "PostgreSQL");
        const pool = poolOf({ connectionString: server.url, max: 2 });
        // The server may end before the last connection is closed.
        pool.on("error", (error) => console.log(error.message));
        const title = `postgres: PostgreSQL ${server.version}, pg`;
        await use({ title, harness: serverHarness("pg", server.url, pool) });
        await pool.end();
        await server.stop();
      }
      const database = await PGlite.create();
      await use({ title: "postgres: PGlite", harness: pgliteHarness(database) });
      await database.close();
    },
  ],
  [
    "mysql",
    async (use) => {
      const server = required(await startMariadb(), "MariaDB");
      const pool = createPool({ uri: server.url, connectionLimit: 2 });
      const title = `mysql: MariaDB ${server.version}, mysql2`;
      await use({ title, harness: mysqlHarness("pool", server.url, pool) });
      await pool.end();
      await server.stop();
    },
  ],
  [
    "redis",
    async (use) => {
      present(missingRedis());
      const server = await startRedis({ appendfsync: "always" });
      await use({ title: "redis: Redis 7.0, ioredis", harness: redisHarness(() => [server], "ioredis") });
      await server.stop();
      const cluster = await startRedisCluster();
      const title = "redis: Redis Cluster 7.0, ioredis";
      await use({ title, harness: redisHarness(() => cluster, "ioredis-cluster") });
      await Promise.all(cluster.map((node) => node.stop()));
    },
  ],
  [
    "mongodb",
    async (use) => {
      present(missingFerret());
      const server = await startFerret();
      await use({
        title: "mongodb: FerretDB 1.24, mongodb",
        harness: mongodbHarness(() => server, "client"),
      });
      await server.stop();
    },
  ],
  [
    "opensearch",
    async (use) => {
      present(missingOpenSearch());
      const server = await startOpenSearch();
      const title = `opensearch: OpenSearch ${server.version}, @opensearch-project/opensearch`;
      await use({ title, harness: opensearchHarness(() => server, "report") });
      await server.stop();
    },
  ],
];

const wanted = process.argv.slice(2);
const found: [title: string, report: ConformanceReport][] = [];
for (const [name, run] of engines) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
  await run(async ({ title, harness }) => {
    const startedAt = performance.now();
    const report = await conformanceReport(harness);
    found.push([title, report]);
    const { passed, failed, unsupported, cases } = report;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.log(`${title}: ${passed} passed, ${failed} failed, ${unsupported} unsupported, ${seconds} s`);
    for (const { key, status, error } of cases) if (status === "failed") console.error(`  ${key}:`, error);
  });
}
if (wanted.length === 0) {
  const page = await readFile(PAGE, "utf8");
  const [before = "", rest = ""] = page.split(BEGIN);
  const after = rest.split(END)[1] ?? "";
  const stores = await Promise.all(URLS.map((url) => createStore(url)));
  await writeFile(PAGE, `${before}${BEGIN}\n\n${tables(stores, found)}\n\n${END}${after}`);
  for (const store of stores) await store.close();
}
process.exitCode = found.some(([, { failed }]) => failed > 0) ? 1 : 0;

function required<T>(started: T | undefined, name: string): T {
  if (started === undefined) throw new Error(`${name} is not installed; run scripts/install-engines.sh`);
  return started;
}

function present(missing: string | undefined): void {
  if (missing !== undefined) throw new Error(missing);
}

function tables(
  stores: readonly SessionStore[],
  reports: readonly (readonly [string, ConformanceReport])[],
): string {
  const yes = (value: boolean): string => (value ? "yes" : "no");
  const can = stores.map(({ name: store, capabilities: one }) => [
    `[${store}](${store}.md)`,
    one.durability,
    one.writers === "many" ? "many processes" : "one process",
    one.search,
    one.watch,
    one.listConsistency,
    one.idempotency,
    yes(one.nativeTtl),
    Number.isFinite(one.maxEntryBytes) ? `${Math.round(one.maxEntryBytes / 1024 / 1024)} MiB` : "no limit",
  ]);
  const did = reports.map(([title, { passed, failed, unsupported, cases }]) => {
    const lacks = [...new Set(cases.flatMap((one) => one.lacks ?? []))].join(", ");
    return [title, String(passed), String(failed), unsupported === 0 ? "0" : `${unsupported}: ${lacks}`];
  });
  return [
    "## What each can do",
    "",
    table(
      [
        "store",
        "survives",
        "writers",
        "search",
        "watch",
        "lists",
        "repeated ids known",
        "expires by itself",
        "largest entry",
      ],
      can,
    ),
    "",
    "## What each has passed",
    "",
    `The suite has ${reports[0]?.[1].cases.length ?? 0} cases. A case that a store can't meet by what it says of itself checks in its place that the store refuses it clearly.`,
    "",
    table(["engine and client", "passed", "failed", "refused, as it says"], did),
  ].join("\n");
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}
