/**
 * What a million entries take, by engine: sessions of 100 entries each, as they are after their last append. The numbers
 * of `docs/guide/scaling.md` are from here.
 *
 *     node bench/size.ts [postgres|mysql|redis|sqlite|file …] [--entries 1000000]
 */
import { parseArgs } from "node:util";
import type { Commit, SessionStore } from "../src/index.ts";
import { createSessionId } from "../src/index.ts";
import { appendOf, commitAll, creation } from "./build.ts";
import { benchFolder, bytesUnder } from "./folder.ts";
import { bytesOf, loadTranscripts } from "./messages.ts";
import { mysqlBench } from "./servers/mysql.ts";
import { postgresBench } from "./servers/postgres.ts";
import { redisBench } from "./servers/redis.ts";
import { openStore } from "./stores.ts";

interface Sized {
  readonly store: SessionStore;
  sizes(isPacked: boolean): Promise<Readonly<Record<string, number>>>;
  stop(): Promise<void>;
}

const ENTRIES_PER_SESSION = 100;
const SESSIONS_AT_ONCE = 500;
const SERVERS = { postgres: postgresBench, mysql: mysqlBench, redis: redisBench };
const FILES = ["sqlite", "file"] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { entries: { type: "string", default: "1000000" } },
});
const transcripts = loadTranscripts();
const chosen = positionals.length > 0 ? positionals : [...Object.keys(SERVERS), ...FILES];
for (const name of chosen) await measure(name, Number(values.entries));

async function measure(name: string, entries: number): Promise<void> {
  const sized = await open(name);
  if (!sized) return;
  const startedAt = performance.now();
  try {
    await sized.store.migrate();
    const messages = await fill(sized.store, entries);
    const left = await sized.sizes(false);
    const sizes = Object.entries(await sized.sizes(true));
    const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.log(
      `\n${name}: ${entries.toLocaleString("en-US")} entries in ${seconds} s; messages ${megabytes(messages)}`,
    );
    for (const [part, bytes] of [...sizes, ["together", total] as const]) {
      const former = (left[part] ?? bytes) - bytes;
      const also =
        former > 0 ? `; ${megabytes(former)} more of former versions, right after the last append` : "";
      console.log(`  ${part}: ${megabytes(bytes)}, ${(bytes / entries).toFixed(0)} bytes an entry${also}`);
    }
    console.log(`  ÷ messages: ${(total / messages).toFixed(2)}`);
  } finally {
    await sized.stop();
  }
}

async function open(name: string): Promise<Sized | undefined> {
  if (name === "postgres" || name === "mysql" || name === "redis") {
    const server = await SERVERS[name]();
    if (!server?.sizes) return undefined;
    const { store, sizes } = server;
    return { store, sizes, stop: () => server.stop() };
  }
  const engine = FILES.find((one) => one === name);
  if (!engine) throw new Error(`there is no ${name}; use ${[...Object.keys(SERVERS), ...FILES].join(", ")}`);
  const folder = benchFolder();
  const path = folder.fresh(engine);
  const store = openStore(engine, path, "normal");
  return {
    store,
    async sizes() {
      await store.close();
      return { files: bytesUnder(path) };
    },
    async stop() {
      await store.close();
      folder.remove();
    },
  };
}

/** Appends one message a commit, to many sessions at a time. Answers with the bytes of the messages. */
async function fill(store: SessionStore, entries: number): Promise<number> {
  let bytes = 0;
  let next = 0;
  const total = Math.round(entries / ENTRIES_PER_SESSION);
  for (let from = 0; from < total; from += SESSIONS_AT_ONCE) {
    const count = Math.min(SESSIONS_AT_ONCE, total - from);
    let steps = Array.from({ length: count }, (_, index) =>
      creation({
        id: createSessionId(),
        userId: `user-${(from + index) % 1000}`,
        label: "Change a flight of a reservation",
      }),
    );
    let batch: Commit[] = steps.map(({ commit }) => commit);
    await commitAll(store, batch);
    for (let entry = 1; entry < ENTRIES_PER_SESSION; entry += 1) {
      steps = steps.map(({ record }) => {
        const message = transcripts.at(next);
        next += 1;
        bytes += bytesOf(message);
        return appendOf(record, message);
      });
      batch = steps.map(({ commit }) => commit);
      await commitAll(store, batch);
    }
  }
  return bytes;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
