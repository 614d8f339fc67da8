/**
 * @module
 * A private OpenSearch node for tests: on a free port of the loopback, its data in a temporary folder. It ends, and its
 * folder goes, with the process that started it, however that ends. Starting takes some 6 s, so start one a file.
 */
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Where scripts/install-opensearch.sh puts the jars; the pom is copied last. */
const JARS = join(homedir(), ".cache", "holdfast", "opensearch");
const MAIN = "org.codelibs.opensearch.runner.OpenSearchRunner";
const START_TIMEOUT_MS = 90_000;
/** The runner takes no port above. */
const MAX_PORT = 9299;
const MIN_PORT = 6000;
/** Keeps the server until its input ends, which it does when the test process does; a word keeps the folder. */
const KEEPER =
  '"$@" </dev/null & server=$!; echo $server >"$0/pid"; word=$(cat); kill -9 $server; wait $server; [ -n "$word" ] || rm -rf "$0"';

export interface OpenSearchServer {
  /** For the client: `http://127.0.0.1:<port>`. */
  readonly node: string;
  /** For the store: `opensearch://127.0.0.1:<port>`. */
  readonly url: string;
  readonly version: string;
  /** Ends the node as a crash does: nothing is flushed, no client is told. */
  crash(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it serves. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What is to be done where no node can be started; `undefined` where one can. */
export function missingOpenSearch(): string | undefined {
  if (spawnSync("java", ["-version"]).status !== 0)
    return "Java is not installed (apt-get install -y maven openjdk-17-jre-headless, then scripts/install-opensearch.sh)";
  if (!existsSync(join(JARS, "pom.xml")))
    return "the jars of OpenSearch are not there (run scripts/install-opensearch.sh)";
  return undefined;
}

/** A node on its own. */
export function startOpenSearch(): Promise<OpenSearchServer> {
  const discovery = ["discovery.type: single-node", "transport.port: 0"];
  return startNode(`holdfast-${randomBytes(6).toString("hex")}`, discovery);
}

/** A cluster of three nodes, of which one may be lost. */
export async function startOpenSearchCluster(): Promise<OpenSearchServer[]> {
  const cluster = `holdfast-${randomBytes(6).toString("hex")}`;
  const ports = [await freePort(), await freePort(), await freePort()];
  const addresses = JSON.stringify(ports.map((port) => `127.0.0.1:${port}`));
  const nodes = await Promise.all(
    ports.map((port) =>
      startNode(cluster, [
        `transport.port: ${port}`,
        `discovery.seed_hosts: ${addresses}`,
        `cluster.initial_cluster_manager_nodes: ${addresses}`,
      ]),
    ),
  );
  await untilServing(nodes[0]?.node ?? "", cluster, nodes.length);
  return nodes;
}

async function startNode(cluster: string, discovery: readonly string[]): Promise<OpenSearchServer> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-opensearch-"));
  const conf = join(folder, "conf");
  await mkdir(conf);
  await writeFile(join(conf, "opensearch.yml"), settingsOf(cluster, discovery));
  const port = await freePort();
  const node = `http://127.0.0.1:${port}`;
  const java = [
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${JARS}/*`,
    MAIN,
  ];
  const runner = ["-basePath", join(folder, "base"), "-confPath", conf, "-numOfNode", "1"];
  const place = ["-clusterName", cluster, "-baseHttpPort", String(port - 1), "-disableESLogger"];

  let keeper: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    keeper = spawn("/bin/sh", ["-c", KEEPER, folder, "java", ...java, ...runner, ...place], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    keeper.unref();
    const { stdin } = keeper;
    if (stdin && "unref" in stdin && typeof stdin.unref === "function") stdin.unref();
    await untilServing(node, cluster);
  };
  const end = async (word: string): Promise<void> => {
    const running = keeper;
    keeper = undefined;
    if (!running || running.exitCode !== null) return;
    running.ref();
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.stdin?.end(word);
    await ended;
  };
  await start();
  return {
    node,
    url: `opensearch://127.0.0.1:${port}`,
    version: await versionOf(node),
    start,
    async crash() {
      process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), "SIGKILL");
      await end("keep");
    },
    async stop() {
      await end("");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function settingsOf(cluster: string, discovery: readonly string[]): string {
  return [
    `cluster.name: ${cluster}`,
    ...discovery,
    "network.host: 127.0.0.1",
    "node.store.allow_mmap: false",
    "cluster.routing.allocation.disk.threshold_enabled: false",
    "cluster.max_shards_per_node: 10000",
    "",
  ].join("\n");
}

async function untilServing(node: string, cluster: string, nodes = 1): Promise<void> {
  for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; await delay(100)) {
    const wanted = `wait_for_status=yellow&wait_for_nodes=${encodeURIComponent(`>=${nodes}`)}`;
    const health = await answer(`${node}/_cluster/health?${wanted}&timeout=30s`);
    if (health?.cluster_name === cluster && health.timed_out === false) return;
  }
  throw new Error(`OpenSearch did not serve at ${node} within ${START_TIMEOUT_MS} ms`);
}

async function versionOf(node: string): Promise<string> {
  const root = await answer(node);
  const version: unknown = root?.version;
  return typeof version === "object" && version !== null && "number" in version ? String(version.number) : "";
}

async function answer(url: string): Promise<Record<string, unknown> | undefined> {
  try {
    const response = await fetch(url);
    const body: unknown = response.ok ? await response.json() : undefined;
    return typeof body === "object" && body !== null ? { ...body } : undefined;
  } catch {
    return undefined;
  }
}

/** A port that the runner takes; most systems hand out no such port by themselves. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(MIN_PORT, MAX_PORT);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
