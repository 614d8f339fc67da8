/**
 * @module
 * A private PgBouncer in transaction mode before a private PostgreSQL, for tests.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, keepProcess, unprivileged } from "./kept-process.ts";
import type { PostgresServer } from "./postgres-server.ts";

const START_TIMEOUT_MS = 10_000;

export interface PgBouncer {
  /** As the server's own, but through PgBouncer. */
  readonly url: string;
  /** For example `"1.18.0"`. */
  readonly version: string;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  /** Connections to the server that it keeps for each user. Default 4. */
  readonly poolSize?: number;
  /** Users beside the server's own, and their passwords. */
  readonly users?: Readonly<Record<string, string>>;
}

/**
 * Starts it. Where it is not installed, prints a line that says so and answers with `undefined`; `HOLDFAST_REQUIRE=all`
 * makes that a failure.
 */
export async function startPgBouncer(
  server: PostgresServer,
  { poolSize = 4, users = {} }: PgBouncerOptions = {},
): Promise<PgBouncer | undefined> {
  const program = ["/usr/sbin", "/usr/local/sbin", ...(process.env.PATH ?? "").split(delimiter)]
    .map((folder) => join(folder, "pgbouncer"))
    .find((path) => existsSync(path));
  if (program === undefined) {
    const line = "PgBouncer is left out: it is not installed; install it by `apt-get install -y pgbouncer`";
    if (process.env.HOLDFAST_REQUIRE === "all") throw new Error(line);
    process.stderr.write(`${line}\n`);
    return undefined;
  }
  const version = execFileSync(program, ["--version"], { encoding: "utf8" });
  const owner = unprivileged(["postgres", "nobody"]);
  const folder = await mkdtemp(join(tmpdir(), "holdfast-pgbouncer-"));
  const port = await freePort();
  const [settings, list] = [join(folder, "pgbouncer.ini"), join(folder, "users.txt")];
  const accounts = { holdfast: server.password, ...users };
  await writeFile(
    list,
    Object.entries(accounts)
      .map(([user, password]) => `"${user}" "${password}"\n`)
      .join(""),
  );
  await writeFile(
    settings,
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${list}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
server_login_retry = 1
logfile = ${join(folder, "log")}
`,
  );
  await chmod(folder, 0o755);
  if (owner) for (const path of [folder, settings, list]) await chown(path, owner.uid, owner.gid);
  const kept = keepProcess(program, ["-q", settings], { folder, signal: "TERM", as: { ...owner } });
  const stop = async (): Promise<void> => {
    await kept.end();
    await rm(folder, { recursive: true, force: true });
  };
  const until = Date.now() + START_TIMEOUT_MS;
  while (!(await isOpen(port))) {
    if (kept.isOver() || Date.now() > until) {
      await stop();
      throw new Error(`PgBouncer did not start within ${START_TIMEOUT_MS} ms`);
    }
    await delay(20);
  }
  const url = new URL(server.url);
  url.port = String(port);
  return { url: url.href, version: /\d+(\.\d+)*/.exec(version)?.[0] ?? "", stop };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (isOpened: boolean): void => {
      socket.destroy();
      resolve(isOpened);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
