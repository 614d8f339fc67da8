/**
 * @module
 * A private PostgreSQL for tests: on a free port, its data in a temporary folder, as an unprivileged user where the
 * tests run as root. It ends, and its folder goes, with the process that started it, however that ends.
 */
import type { ChildProcess } from "node:child_process";
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const START_TIMEOUT_MS = 20_000;
const KEEPER =
  '"$@" </dev/null & server=$!; word=$(cat); kill -INT $server; wait $server; [ -n "$word" ] || rm -rf "$0"';

export interface PostgresServer {
  /** With user and password, of a database that is empty. */
  readonly url: string;
  readonly password: string;
  /** The version of its programs, for example `"15.9"`. */
  readonly version: string;
  /** Ends the server as a crash does: nothing is flushed, no client is told. */
  crash(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it takes connections. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a server. Where PostgreSQL is not installed, prints a line that says so and answers with `undefined`;
 * `HOLDFAST_REQUIRE=all` makes that a failure.
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer | undefined> {
  const bin = binaries();
  if (bin === undefined) {
    const line = "PostgreSQL is left out: no initdb found; install it by `apt-get install -y postgresql`";
    if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(line);
    process.stderr.write(`${line}\n`);
    return undefined;
  }
  const owner = unprivileged();
  const folder = await mkdtemp(join(tmpdir(), "holdfast-postgres-"));
  const data = join(folder, "data");
  const password = `secret-${randomBytes(9).toString("hex")}`;
  await writeFile(join(folder, "password"), password);
  await chmod(folder, 0o755);
  if (owner) {
    await chown(folder, owner.uid, owner.gid);
    await chown(join(folder, "password"), owner.uid, owner.gid);
  }
  const as = { ...owner, cwd: folder, env: { ...process.env, LC_ALL: "C.UTF-8" } };
  const files = ["-D", data, `--pwfile=${join(folder, "password")}`];
  await run(
    join(bin, "initdb"),
    [...files, "-U", "holdfast", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"],
    as,
  );
  const { stdout } = await run(join(bin, "postgres"), ["--version"], as);
  const port = await freePort();
  const options = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    shared_buffers: "32MB",
    max_connections: "100",
    ...settings,
  };
  const args = ["-D", data, "-p", String(port)];
  for (const [name, value] of Object.entries(options)) args.push("-c", `${name}=${value}`);

  let keeper: ChildProcess | undefined;
  const pid = (): number | undefined => {
    const path = join(data, "postmaster.pid");
    return existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[0]) : undefined;
  };
  const start = async (): Promise<void> => {
    const until = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < until) {
      // The shell reads until its input ends, which it does when this process does; then it ends the server, and
      // removes the folder unless it was told a word.
      keeper = spawn("/bin/sh", ["-c", KEEPER, folder, join(bin, "postgres"), ...args], {
        ...as,
        stdio: ["pipe", "ignore", "ignore"],
      });
      keeper.unref();
      if (keeper.stdin && "unref" in keeper.stdin && typeof keeper.stdin.unref === "function")
        keeper.stdin.unref();
      if (await isReady(bin, port, Math.min(until, Date.now() + 5000))) return;
      await endKeeper(keeper, "keep");
    }
    throw new Error(`PostgreSQL did not start within ${START_TIMEOUT_MS} ms`);
  };
  await start();
  return {
    url: `postgres://holdfast:${password}@127.0.0.1:${port}/postgres`,
    password,
    version: /\d+(\.\d+)*/.exec(stdout)?.[0] ?? "",
    start,
    async crash() {
      const server = pid();
      if (server !== undefined) process.kill(server, "SIGKILL");
      await endKeeper(keeper, "keep");
    },
    async stop() {
      await endKeeper(keeper);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves once the server that `keeper` keeps has ended. */
async function endKeeper(keeper: ChildProcess | undefined, word = ""): Promise<void> {
  if (!keeper || keeper.exitCode !== null || keeper.signalCode !== null) return;
  const ended = new Promise((resolve) => keeper.once("exit", resolve));
  keeper.ref();
  keeper.stdin?.end(word);
  await ended;
}

/** The folder of PostgreSQL's programs, the newest where there are several. */
function binaries(): string | undefined {
  const installed = "/usr/lib/postgresql";
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((name) => join(installed, name, "bin"));
  const onPath = (process.env.PATH ?? "").split(delimiter);
  return [...folders, ...onPath].find((folder) => existsSync(join(folder, "initdb")));
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ["postgres", "nobody"]) {
    try {
      const id = (flag: string): number => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch (error) {
      if (user === "nobody") throw error;
    }
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port is free");
  return address.port;
}

/** Whether the server takes connections by `until`; while it recovers from a crash it refuses them. */
async function isReady(bin: string, port: number, until: number): Promise<boolean> {
  while (Date.now() < until) {
    const { status } = spawnSync(join(bin, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)]);
    if (status === 0) return true;
    await delay(20);
  }
  return false;
}
