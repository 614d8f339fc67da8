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
  /** Default: the first that is installed. */
  readonly program?: RedisProgram;
  /** Default: nothing is written to disk. */
  readonly appendfsync?: "always" | "everysec";
  /** More lines of configuration, as arguments. */
  readonly args?: readonly string[];
}

export type RedisProgram = "redis-server" | "valkey-server";

const PROGRAMS: readonly RedisProgram[] = ["redis-server", "valkey-server"];
/** Generous: another test may have the machine meanwhile. */
const READY_MS = 60_000;
/** Starts the server, then waits for its input to end: the starter's own end closes it. */
const GUARD =
  'program=$1; shift; "$program" "$@" </dev/null >/dev/null 2>&1 & server=$!; echo $server; read line; kill -9 $server; wait';

export function isInstalled(program: RedisProgram): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

/** What is to be installed where there is no server; `undefined` where there is one. */
export function missingRedis(): string | undefined {
  return PROGRAMS.some(isInstalled)
    ? undefined
    : "redis-server is not installed (apt-get install redis-server, or valkey-server where there is one)";
}

/** The command line client that comes with the server. */
export function redisCli(): string {
  return isInstalled("redis-server") ? "redis-cli" : "valkey-cli";
}

export async function startRedis({
  program = PROGRAMS.find(isInstalled) ?? "redis-server",
  appendfsync,
  args = [],
}: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-redis-"));
  const port = await freePort();
  const settings = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--daemonize", "no"],
    ...(appendfsync ? ["--appendonly", "yes", "--appendfsync", appendfsync] : []),
    ...args,
  ];
  let guard: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    guard = spawn("sh", ["-c", GUARD, "redis", program, ...settings], {
      stdio: ["pipe", "ignore", "ignore"],
    });
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

export interface RedisClusterOptions {
  /** Of each of the three masters. Default 0. */
  readonly replicas?: number;
  /** How long a node may be silent before it counts as lost. Default: longer than a busy machine can be. */
  readonly nodeTimeoutMs?: number;
}

/** A Redis Cluster of three masters; their replicas, where there are any, stand behind them. */
export async function startRedisCluster({
  replicas = 0,
  nodeTimeoutMs = 15_000,
}: RedisClusterOptions = {}): Promise<RedisServer[]> {
  const servers: RedisServer[] = [];
  for (let index = 0; index < 3 * (1 + replicas); index += 1) {
    const busPort = String(await freePort());
    const cluster = ["--cluster-enabled", "yes", "--cluster-port", busPort];
    const timeout = ["--cluster-node-timeout", String(nodeTimeoutMs), "--repl-diskless-sync-delay", "0"];
    servers.push(await startRedis({ args: [...cluster, ...timeout, "--loglevel", "warning"] }));
  }
  const places = servers.map(({ port }) => `127.0.0.1:${port}`);
  const options = ["--cluster-replicas", String(replicas), "--cluster-yes"];
  const made = spawnSync(redisCli(), ["--cluster", "create", ...places, ...options]);
  if (made.status !== 0) throw new Error(`redis-cli could not make a Cluster: ${made.stdout}${made.stderr}`);
  for (const { port } of servers) await untilServing(port);
  // Each replica has a first copy of what its master has.
  for (const { port } of replicas > 0 ? servers : [])
    await untilTold(port, "INFO replication".split(" "), /role:master|master_link_status:up/);
  return servers;
}

/** Each node finds out by itself, a second or more after the Cluster was made, that all slots are served. */
async function untilServing(port: number): Promise<void> {
  await untilTold(port, ["CLUSTER", "INFO"], /cluster_state:ok/);
}

/** Resolves once the server answers `command` so. */
export async function untilTold(port: number, command: readonly string[], expected: RegExp): Promise<void> {
  let told = "";
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(50)) {
    told = String(spawnSync(redisCli(), ["-p", String(port), ...command]).stdout);
    if (expected.test(told)) return;
  }
  throw new Error(
    `the server on port ${port} did not answer ${command.join(" ")} with ${expected} within ${READY_MS} ms: ${told}`,
  );
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
