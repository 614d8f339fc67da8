/**
 * @module
 * What several benchmarks share because it takes long to build: per engine one session of 100,000 messages and one of
 * 100 in one store.
 */
import type { SessionStore, Sessions } from "../src/index.ts";
import { buildSession } from "./build.ts";
import type { BenchFolder } from "./folder.ts";
import type { BenchMessage, Transcripts } from "./messages.ts";
import type { Engine } from "./stores.ts";
import { openStore, sessionsOver } from "./stores.ts";

export const LONG = "long";
export const SHORT = "short";

export interface LongFixture {
  /** Where the data is; for memory, nothing is there. */
  readonly folder: string;
  readonly messages: number;
  /** Opens the store anew, but for memory, which would lose everything. */
  use<T>(work: (sessions: Sessions<BenchMessage>, store: SessionStore) => Promise<T>): Promise<T>;
}

export function longFixtures(
  folder: BenchFolder,
  transcripts: Transcripts,
  messages: number,
): (engine: Engine) => Promise<LongFixture> {
  const built = new Map<Engine, Promise<LongFixture>>();
  return (engine) => {
    const known = built.get(engine);
    if (known) return known;
    const building = buildLong(engine, folder.fresh(`long-${engine}`), transcripts, messages);
    built.set(engine, building);
    return building;
  };
}

async function buildLong(
  engine: Engine,
  folder: string,
  transcripts: Transcripts,
  messages: number,
): Promise<LongFixture> {
  const builder = openStore(engine, folder, "normal");
  await buildSession(builder, { id: SHORT }, 100, transcripts);
  await buildSession(builder, { id: LONG }, messages, transcripts);
  if (engine === "memory") {
    const sessions = sessionsOver(builder);
    return { folder, messages, use: (work) => work(sessions, builder) };
  }
  await builder.close();
  return {
    folder,
    messages,
    async use(work) {
      const store = openStore(engine, folder);
      const sessions = sessionsOver(store);
      try {
        return await work(sessions, store);
      } finally {
        await sessions.close();
      }
    },
  };
}
