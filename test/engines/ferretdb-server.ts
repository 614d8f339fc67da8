/**
 * @module
 * A private FerretDB, which speaks the protocol of MongoDB, on a free port, over a private PostgreSQL. Both end with the
 * process that started them, however that ends.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { builtProgram } from "./built-program.ts";
import type { KeptProcess } from "./kept-process.ts";
import { freePort, keepProcess } from "./kept-process.ts";
import { startPostgres } from "./postgres-server.ts";

export interface FerretServer {
  readonly port: number;
  /** With user and password. */
  readonly url: string;
  readonly password: string;
  /** Of the PostgreSQL under it: its users are FerretDB's. */
  readonly postgresUrl: string;
  /** Kills FerretDB, and with `"all"` PostgreSQL under it too, with SIGKILL; the data stays. */
  kill(what?: "all"): Promise<void>;
  /** Starts again on the same port and data what is not running. */
  start(): Promise<void>;
  /** Stops both and removes the data. */
  stop(): Promise<void>;
}

const READY_MS = 20_000;

const PROGRAM = builtProgram("FerretDB", "ferretdb", "HOLDFAST_FERRETDB");

/** What is to be installed where there is no FerretDB; `undefined` where there is one. */
export const missingFerret = PROGRAM.missing;

/**
 * Starts a server.
 *
 * @throws Error where FerretDB or PostgreSQL is not installed.
 */
export async function startFerret(): Promise<FerretServer> {
  const program = PROGRAM.path();
  if (program === undefined) throw new Error(missingFerret());
  const postgres = (await startPostgres()) ?? (await startPostgres({ from: "npm" }));
  if (!postgres) throw new Error("FerretDB needs PostgreSQL: apt-get install -y postgresql");
  const folder = await mkdtemp(join(tmpdir(), "holdfast-ferretdb-"));
  const port = await freePort();
  const args = [
    "--handler=postgresql",
    `--postgresql-url=postgres://127.0.0.1:${postgres.port}/postgres`,
    `--state-dir=${folder}`,
    `--listen-addr=127.0.0.1:${port}`,
    "--debug-addr=-",
    "--telemetry=disable",
    "--log-level=ERROR",
  ];
  let server: KeptProcess | undefined;
  let isPostgresDown = false;
  const start = async (): Promise<void> => {
    if (isPostgresDown) await postgres.start();
    isPostgresDown = false;
    server = keepProcess(program, args, { folder, signal: "KILL", as: { env: process.env } });
    await untilReady(port, server);
  };
  await start();
  return {
    port,
    url: `mongodb://holdfast:${postgres.password}@127.0.0.1:${port}/?authMechanism=PLAIN`,
    password: postgres.password,
    postgresUrl: postgres.url,
    start,
    async kill(what) {
      await server?.end();
      if (what === "all") {
        isPostgresDown = true;
        await postgres.crash();
      }
    },
    async stop() {
      await server?.end();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(port: number, server: KeptProcess): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until && !server.isOver(); await sleep(10))
    if (await takesConnections(port)) return;
  throw new Error(`FerretDB did not listen on port ${port} within ${READY_MS} ms`);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
