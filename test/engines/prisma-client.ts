/**
 * @module
 * A Prisma client of the models that the documentation gives, and of a table of an application. It is generated into a
 * folder that git ignores, once for each schema; no engine of Prisma's is needed.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { isRow } from "../../src/stores/sql/rows.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");

export type Provider = "postgresql" | "sqlite";

/** A model's table, as far as tests use it. */
export interface Model {
  create(query: object): Promise<unknown>;
  findMany(query?: object): Promise<unknown[]>;
  count(query?: object): Promise<number>;
}

export interface TestClient {
  readonly order: Model;
  readonly holdfastSession: Model;
  readonly holdfastEntry: Model;
  /** PostgreSQL only. */
  readonly chatSession: Model;
  $queryRawUnsafe(sql: string, ...values: unknown[]): Promise<unknown>;
  $executeRawUnsafe(sql: string, ...values: unknown[]): Promise<number>;
  $transaction<T>(work: (tx: TestClient) => Promise<T>, options?: object): Promise<T>;
  $disconnect(): Promise<void>;
}

/** The models of docs/stores/prisma.md for `provider`; those of names in camel case are of PostgreSQL. */
export function documentedModels(provider: Provider): string {
  const page = readFileSync(join(ROOT, "docs/stores/prisma.md"), "utf8");
  const blocks = [...page.matchAll(/^```prisma\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code);
  const [onPostgres = "", onSqlite = "", inCamelCase = ""] = blocks;
  return provider === "postgresql" ? `${onPostgres}\n${inCamelCase}` : onSqlite;
}

/** The files of the clients; seen to once. */
const made: { [Key in Provider]?: Promise<string> } = {};

/** Makes a client on `adapter`, a driver adapter of Prisma's. */
export async function prismaClient(provider: Provider, adapter: unknown): Promise<TestClient> {
  made[provider] ??= generate(provider);
  const generated: unknown = await import(pathToFileURL(await made[provider]).href);
  const Client = isRow(generated) ? generated.PrismaClient : undefined;
  if (!isClass(Client)) throw new TypeError("what prisma generated exports no PrismaClient");
  return new Client({ adapter });
}

/** The file of the client; made where there is none yet. */
async function generate(provider: Provider): Promise<string> {
  const require = createRequire(import.meta.url);
  const program = require.resolve("prisma/build/index.js");
  const schema = `generator client {
  provider               = "prisma-client"
  output                 = "./client"
  generatedFileExtension = "ts"
  importFileExtension    = "ts"
}

datasource db {
  provider = "${provider}"
}

model Order {
  id   Int    @id @default(autoincrement())
  item String

  @@map("orders")
}

${documentedModels(provider)}`;
  const key = createHash("sha256").update(schema).update(readFileSync(program)).digest("hex").slice(0, 16);
  const folder = join(ROOT, ".holdfast/prisma", `${provider}-${key}`);
  const file = join(folder, "client/client.ts");
  if (existsSync(file)) return file;
  const scratch = `${folder}-${randomBytes(6).toString("hex")}`;
  await mkdir(scratch, { recursive: true });
  await writeFile(join(scratch, "schema.prisma"), schema);
  await run(process.execPath, [program, "generate", "--schema", "schema.prisma", "--no-hints"], {
    cwd: scratch,
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/usr/bin/true", CHECKPOINT_DISABLE: "1" },
  });
  try {
    await rename(scratch, folder);
  } catch (error) {
    // Another process was first.
    await rm(scratch, { recursive: true, force: true });
    if (!existsSync(file)) throw error;
  }
  return file;
}

function isClass(value: unknown): value is new (options: object) => TestClient {
  return typeof value === "function";
}
