/**
 * @module
 * The engines that are servers, each as a URL that `createStore` takes.
 */
import { missingFerret, startFerret } from "./ferretdb-server.ts";
import { startMariadb } from "./mariadb-server.ts";
import { missingOpenSearch, startOpenSearch } from "./opensearch-server.ts";
import { startPostgres } from "./postgres-server.ts";
import { missingRedis, startRedis } from "./redis-server.ts";

export interface EngineAtUrl {
  /** Of an empty engine, with user and password where it has any. */
  readonly url: string;
  stop(): Promise<void>;
}

/** By name; each starts a server of its own, or answers with `undefined` where it isn't installed and need not be. */
export const ENGINES: Readonly<Record<string, () => Promise<EngineAtUrl | undefined>>> = {
  postgres: () => startPostgres(),
  mysql: () => startMariadb(),
  redis: () => unlessMissing(missingRedis(), startRedis),
  mongodb: () => unlessMissing(missingFerret(), startFerret),
  opensearch: () => unlessMissing(missingOpenSearch(), startOpenSearch),
};

async function unlessMissing<T>(
  missing: string | undefined,
  start: () => Promise<T>,
): Promise<T | undefined> {
  if (missing === undefined) return start();
  if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(missing);
  process.stderr.write(`left out: ${missing}\n`);
  return undefined;
}
