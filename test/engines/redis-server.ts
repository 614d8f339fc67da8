/**
 * @module
 * A private redis-server on a free port, with its data in a temporary folder. It ends with the process that started it,
 * also where that one crashes: a small shell waits for the end of its input and then kills the server.
 */
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Kills the server with SIGKILL; its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Default: nothing is written to disk. */
  readonly appendfsync?: "always" | "everysec";
  /** More lines of configuration, as arguments. */
  readonly args?: readonly string[];
}

const READY_MS = 10_000;
/** Starts the server, then waits for its input to end: the starter's own end closes it. */
const GUARD =
  'redis-server "$@" </dev/null >/dev/null 2>&1 & server=$!; echo $server; read line; kill -9 $server; wait';

/** What is to be installed where there is no redis-server; `undefined` where there is one. */
export function missingRedis(): string | undefined {
  const isThere = spawnSync("redis-server", ["--version"]).status === 0;
  return isThere ? undefined : "redis-server is not installed (apt-get install redis-server)";
}

export async function startRedis({ appendfsync, args = [] }: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-redis-"));
  const port = await freePort();
  const settings = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--daemonize", "no"],
    ...(appendfsync ? ["--appendonly", "yes", "--appendfsync", appendfsync] : []),
    ...args,
  ];
  let guard: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    guard = spawn("sh", ["-c", GUARD, "redis", ...settings], { stdio: ["pipe", "ignore", "ignore"] });
    // Neither the shell nor its pipe keeps the test process from ending.
    guard.unref();
    await untilReady(port);
  };
  const kill = async (): Promise<void> => {
    const running = guard;
    guard = undefined;
    if (!running || running.exitCode !== null) return;
    running.ref();
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.stdin?.end();
    await ended;
  };
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start,
    kill,
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A Redis Cluster of three masters without replicas. */
export async function startRedisCluster(): Promise<RedisServer[]> {
  const servers: RedisServer[] = [];
  for (let index = 0; index < 3; index += 1) {
    const busPort = String(await freePort());
    servers.push(
      await startRedis({
        args: [
          "--cluster-enabled",
          "yes",
          "--cluster-port",
          busPort,
          "--cluster-node-timeout",
          "15000",
          "--loglevel",
          "warning",
        ],
      }),
    );
  }
  const places = servers.map(({ port }) => `127.0.0.1:${port}`);
  const made = spawnSync("redis-cli", ["--cluster", "create", ...places, "--cluster-yes"]);
  if (made.status !== 0) throw new Error(`redis-cli could not make a Cluster: ${made.stdout}${made.stderr}`);
  for (const { port } of servers) await untilServing(port);
  return servers;
}

/** Each node finds out by itself, a second or more after the Cluster was made, that all slots are served. */
async function untilServing(port: number): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(50)) {
    const { stdout } = spawnSync("redis-cli", ["-p", String(port), "CLUSTER", "INFO"]);
    if (String(stdout).includes("cluster_state:ok")) return;
  }
  throw new Error(`the Cluster's node on port ${port} did not serve within ${READY_MS} ms`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

async function untilReady(port: number): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(10))
    if (/^(\+PONG|-NOAUTH)/.test(await answer(port))) return;
  throw new Error(`redis-server did not answer on port ${port} within ${READY_MS} ms`);
}

/** What the server says to PING; "" where it can't be reached. */
function answer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once("error", () => resolve(""));
    socket.setTimeout(1000, () => {
      socket.destroy();
      resolve("");
    });
  });
}
