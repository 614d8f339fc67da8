/**
 * @module
 * A private versitygw, which speaks the protocol of S3, on a free port, over a temporary folder. It ends with the process
 * that started it, however that ends.
 */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { builtProgram } from "./built-program.ts";
import type { KeptProcess } from "./kept-process.ts";
import { freePort, keepProcess } from "./kept-process.ts";

export interface S3Server {
  readonly port: number;
  readonly endpoint: string;
  /** A bucket that is there and empty. */
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where the objects of the bucket are files. */
  readonly folder: string;
  /** Kills it with SIGKILL; its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
}

const BUCKET = "sessions";
const READY_MS = 30_000;

const PROGRAM = builtProgram("versitygw", "versitygw", "HOLDFAST_VERSITYGW");

/** What is to be installed where there is no server; `undefined` where there is one. */
export const missingS3 = PROGRAM.missing;

/**
 * Starts a server.
 *
 * @throws Error where it is not installed.
 */
export async function startS3(): Promise<S3Server> {
  const program = PROGRAM.path();
  if (program === undefined) throw new Error(missingS3());
  const folder = await mkdtemp(join(tmpdir(), "holdfast-s3-"));
  const data = join(folder, "data");
  const sidecar = join(folder, "metadata");
  await mkdir(join(data, BUCKET), { recursive: true });
  await mkdir(sidecar);
  const port = await freePort();
  const credentials = {
    accessKeyId: `key-${randomBytes(6).toString("hex")}`,
    secretAccessKey: randomBytes(24).toString("hex"),
  };
  // Not as arguments, which every user of the machine can read.
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY: credentials.accessKeyId,
    ROOT_SECRET_KEY: credentials.secretAccessKey,
  };
  const args = ["--port", `127.0.0.1:${port}`, "--quiet", "posix", "--sidecar", sidecar, data];
  let server: KeptProcess | undefined;
  const start = async (): Promise<void> => {
    server = keepProcess(program, args, { folder, signal: "KILL", as: { env } });
    await untilReady(port, server);
  };
  const kill = async (): Promise<void> => {
    await server?.end();
  };
  await start();
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    bucket: BUCKET,
    credentials,
    folder: join(data, BUCKET),
    start,
    kill,
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(port: number, server: KeptProcess): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until && !server.isOver(); await sleep(10))
    if (await takesConnections(port)) return;
  throw new Error(`versitygw did not listen on port ${port} within ${READY_MS} ms`);
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
