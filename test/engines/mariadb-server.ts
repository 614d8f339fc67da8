/**
 * @module
 * A private MariaDB for tests: on a free port, its data in a temporary folder, as an unprivileged user where the tests
 * run as root. It ends, and its folder goes, with the process that started it, however that ends.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import type { KeptProcess } from "./kept-process.ts";
import { freePort, keepProcess, unprivileged } from "./kept-process.ts";

const run = promisify(execFile);
const START_TIMEOUT_MS = 30_000;
const MIN_MEMORY_BYTES = 1024 ** 3;

export interface MariadbServer {
  /** With user and password, of a database that is empty. The user may do all that a server's owner may. */
  readonly url: string;
  readonly port: number;
  readonly password: string;
  /** The version of its programs, for example `"10.11.19"`. */
  readonly version: string;
  /** The address of another database, which is made. */
  newDatabase(name: string): Promise<string>;
  /** Ends the server as a crash does: nothing is flushed, no client is told. */
  crash(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it takes connections. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a server. Where MariaDB is not installed, prints a line that says so and answers with `undefined`;
 * `HOLDFAST_REQUIRE=all` makes that a failure.
 *
 * @param settings server variables as they stand on the command line, without the two dashes.
 * @param storage `disk`: on a disk, and each commit waits for it, which benchmarks need and tests don't.
 */
export async function startMariadb(
  settings: Readonly<Record<string, string>> = {},
  storage: "memory" | "disk" = "memory",
): Promise<MariadbServer | undefined> {
  const server = program("mariadbd");
  const install = program("mariadb-install-db");
  if (server === undefined || install === undefined) {
    const line =
      "MariaDB is left out: no mariadbd and mariadb-install-db found; install them by `apt-get install -y mariadb-server`";
    if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(line);
    process.stderr.write(`${line}\n`);
    return undefined;
  }
  const owner = unprivileged(["mysql", "nobody"]);
  const folder = await mkdtemp(join(storage === "disk" ? tmpdir() : roomyFolder(), "holdfast-mariadb-"));
  const data = join(folder, "data");
  const pidFile = join(folder, "pid");
  const password = `secret-${randomBytes(9).toString("hex")}`;
  const init = join(folder, "init.sql");
  await writeFile(
    init,
    `CREATE USER IF NOT EXISTS 'holdfast'@'127.0.0.1' IDENTIFIED BY '${password}';\nGRANT ALL ON *.* TO 'holdfast'@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS holdfast;\n`,
  );
  await chmod(folder, 0o755);
  if (owner) await chown(folder, owner.uid, owner.gid);
  const as = { ...owner, cwd: folder, env: { ...process.env, LC_ALL: "C.UTF-8" } };
  const files = [`--datadir=${data}`, `--tmpdir=${folder}`];
  const how = ["--no-defaults", ...files, "--auth-root-authentication-method=normal", "--skip-test-db"];
  try {
    await run(install, how, as);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const { stdout } = await run(server, ["--no-defaults", "--version"], as);
  const port = await freePort();
  const options = {
    datadir: data,
    // A server that starts removes what it takes for leftovers of its own from the folder for temporary files.
    tmpdir: folder,
    port: String(port),
    "bind-address": "127.0.0.1",
    socket: join(folder, "socket"),
    "pid-file": pidFile,
    "log-error": join(folder, "log"),
    "init-file": init,
    "skip-name-resolve": "1",
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "16M",
    // A crash of the process takes nothing that was given to the system, so tests need not wait for the disk.
    ...(storage === "memory" && { "innodb-flush-method": "nosync" }),
    "performance-schema": "0",
    ...settings,
  };
  const args = ["--no-defaults", ...Object.entries(options).map(([name, value]) => `--${name}=${value}`)];
  const url = `mysql://holdfast:${password}@127.0.0.1:${port}/holdfast`;

  let kept: KeptProcess | undefined;
  const start = async (): Promise<void> => {
    kept = keepProcess(server, args, { folder, signal: "TERM", as });
    const started = kept;
    for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; await delay(30)) {
      if (started.isOver()) break;
      if (await answers(url)) return;
    }
    await started.end();
    const log = existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8") : "";
    throw new Error(`MariaDB did not start within ${START_TIMEOUT_MS} ms:\n${log.slice(-2000)}`);
  };
  await start();
  const pid = (): number => Number(readFileSync(pidFile, "utf8"));
  return {
    url,
    port,
    password,
    version: /\d+(\.\d+)+/.exec(stdout)?.[0] ?? "",
    start,
    async newDatabase(name) {
      const connection = await createConnection(url);
      await connection.query(`CREATE DATABASE \`${name}\``);
      await connection.end();
      return url.replace(/holdfast$/, name);
    },
    async crash() {
      process.kill(pid(), "SIGKILL");
      await kept?.end();
    },
    async stop() {
      if (kept && !kept.isOver()) process.kill(pid(), "SIGKILL");
      await kept?.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * In memory, where there is room: each case of the conformance suite makes a database of some twenty files, which on
 * a disk takes ten times as long. What a killed server wrote is there all the same.
 */
function roomyFolder(): string {
  const shared = "/dev/shm";
  if (!existsSync(shared)) return tmpdir();
  const { bavail, bsize } = statfsSync(shared);
  return bavail * bsize > MIN_MEMORY_BYTES ? shared : tmpdir();
}

function program(name: string): string | undefined {
  const folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin", ...(process.env.PATH ?? "").split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Whether the server takes connections of the tests' user. */
async function answers(url: string): Promise<boolean> {
  try {
    const connection = await createConnection(url);
    await connection.end();
    return true;
  } catch (error) {
    // Not there yet, recovering, or before its first file of statements was run.
    if (error instanceof Error) return false;
    throw error;
  }
}
