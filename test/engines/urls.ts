/**
 * @module
 * The engines that are servers, each as a URL that `createStore` takes.
 */
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
  async redis() {
    const missing = missingRedis();
    if (missing === undefined) return startRedis();
    if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(missing);
    console.log(`left out: ${missing}`);
    return undefined;
  },
};
