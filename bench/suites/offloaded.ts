/**
 * @module
 * Large values as blobs in files, beside a SQLite database: how large its rows stay, what an append costs, what is kept once,
 * and whether a collection removes just what nobody refers to.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Message, Session, SessionStore, Sessions } from "../../src/index.ts";
import { createSessions } from "../../src/index.ts";
import { collectBlobs, fileBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { appendOf } from "../build.ts";
import { interleave, part, ratio, summary, timed } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { row } from "../rows.ts";
import { databasePath, openStore } from "../stores.ts";

const NAME = "offloaded";
const BLOB_BYTES = 256 * 1024;
const HOUR_MS = 3_600_000;
const EACH = 10;

export const offloaded: Suite = {
  name: NAME,
  run: async (bench) => [...(await large(bench)), await small(bench)],
};

/** A gigabyte of images, some of them the same; forks, deletions, and commits that came too late. */
async function large(bench: Bench): Promise<Row[]> {
  const count = bench.isQuick ? 400 : 4000;
  const folder = bench.folder.fresh("offloaded");
  const inner = openStore("sqlite", folder);
  const base = randomBytes(BLOB_BYTES);
  const open = (clock = Date.now): SessionStore =>
    offloadedStore(inner, { blobs: fileBlobs({ folder: join(folder, "blobs") }), clock });
  const sessions: Sessions<Message> = createSessions({ store: open() });

  /** By session, which images it was told to hold; a fork's own only. */
  const held = new Map<string, number[]>();
  const [fresh, again, alone]: [number[], number[], number[]] = [[], [], []];
  const floor = fileBlobs({ folder: join(folder, "floor") });
  const append = async (session: Session<Message>, image: number, times: number[]): Promise<void> => {
    const message = messageOf(imageOf(base, image));
    times.push(await timed(() => session.append(message)));
    held.set(session.id, [...(held.get(session.id) ?? []), image]);
  };
  for (let image = 0; image < count; ) {
    const session = await sessions.create({ id: `s${image}` });
    for (let index = 0; index < EACH; index += 1, image += 1) {
      await append(session, image, fresh);
      // What somebody else sent before, as people do.
      if (image % 4 === 3) await append(session, Math.floor(image / 2), again);
      if (image % 10 === 0) alone.push(await timed(() => floor.put(`f/${image}`, imageOf(base, image))));
    }
  }
  for (let image = 0; image < count; image += 100) {
    const fork = await sessions.fork(`s${image}`, { id: `fork${image}` });
    await append(fork, image + 50, again);
  }
  const appended = [...held.values()].reduce((sum, images) => sum + images.length, 0);
  const [written] = filesIn(join(folder, "blobs"));

  // Every fourth session goes. One that was forked is kept for its fork.
  for (let image = 0; image < count; image += 4 * EACH) {
    await sessions.delete(`s${image}`);
    if (image % 100 !== 0) held.delete(`s${image}`);
  }
  const late = count / 50;
  const store = open();
  const [outdated] = await inner.find([`s${EACH}`]);
  for (let index = 0; index < late; index += 1) {
    if (!outdated) throw new Error("the session is gone");
    const past = { ...outdated, version: outdated.version - 1 };
    await store.commit([appendOf(past, messageOf(imageOf(base, count + index))).commit]);
  }
  await sessions.close();

  const reopened = openStore("sqlite", folder);
  const reader = offloadedStore(reopened, {
    blobs: fileBlobs({ folder: join(folder, "blobs") }),
    clock: () => Date.now() + 2 * HOUR_MS,
  });
  const before = filesIn(join(folder, "blobs"))[0].length;
  let collected = 0;
  const collectMs = await timed(async () => {
    collected = (await collectBlobs(reader)).blobs;
  });
  const images = new Set([...held.values()].flat());
  const expected = new Set([...images].map((image) => hashOf(imageOf(base, image))));
  const [kept] = filesIn(join(folder, "blobs"));
  const hashes = kept.map((name) => name.split(".")[0] ?? "");
  let wrong = 0;
  for (const [id, numbers] of held) {
    const entries = await reader.read(id, { after: 0, limit: 1000, types: ["message"] });
    entries.forEach(({ data }, index) => {
      const image = imageOf(base, numbers[index] ?? -1);
      if (!Buffer.from(bytesIn(data)).equals(image)) wrong += 1;
    });
    wrong += Math.abs(entries.length - numbers.length);
  }
  await reader.close();
  const rowBytes = databaseBytes(folder);
  bench.folder.remove(folder);
  const bytes = (blobs: number): string => `${((blobs * BLOB_BYTES) / 1e9).toFixed(2)} GB`;
  return [
    {
      suite: NAME,
      measure: "the database ÷ what was appended",
      value: rowBytes / (appended * BLOB_BYTES),
      unit: "×",
      bar: { atMost: 0.02 },
      note: `${(rowBytes / 1e6).toFixed(1)} MB of rows for ${appended} images, ${bytes(appended)}`,
    },
    {
      suite: NAME,
      measure: "blobs written ÷ different images",
      value: written.length / count,
      unit: "×",
      bar: { atMost: 1 },
      note: `${appended - written.length} images, ${bytes(appended - written.length)}, were not written again`,
    },
    row(NAME, "append of 256 kB that nobody sent before", summary(fresh), "ms"),
    row(NAME, "the file alone, synced", summary(alone), "ms"),
    row(NAME, "append of 256 kB that is there", summary(again), "ms"),
    {
      suite: NAME,
      measure: "blobs that nobody refers to, after a collection",
      value: hashes.filter((hash) => !expected.has(hash)).length,
      unit: "",
      bar: { atMost: 0 },
      note: `it deleted ${collected} of ${before} in ${collectMs.toFixed(0)} ms; ${late} came too late, the others went with their sessions`,
    },
    {
      suite: NAME,
      measure: "blobs missing, or images that read otherwise",
      value: wrong + [...expected].filter((hash) => !hashes.includes(hash)).length,
      unit: "",
      bar: { atMost: 0 },
      note: `${kept.length} blobs, ${bytes(kept.length)}, all read back`,
    },
  ];
}

/** Messages that stay in the store. */
async function small(bench: Bench): Promise<Row> {
  const folder = bench.folder.fresh("small");
  const bare = bench.folder.fresh("small");
  const blobs = fileBlobs({ folder: join(folder, "blobs") });
  const appending = (store: SessionStore) => {
    const sessions = createSessions({ store });
    let session: Session<Message> | undefined;
    return part(
      async (round, turn) => {
        for (let index = 0; index < 20; index += 1)
          await session?.append({ role: "user", content: `message ${round}/${turn}/${index} `.repeat(40) });
      },
      async () => {
        session = await sessions.create();
      },
    );
  };
  const stores = [
    offloadedStore(openStore("sqlite", folder, "normal"), { blobs }),
    openStore("sqlite", bare, "normal"),
  ];
  const [ours, floor] = [
    appending(stores[0] ?? openStore("memory", "")),
    appending(stores[1] ?? openStore("memory", "")),
  ];
  await interleave(
    [ours, floor],
    bench.isQuick ? { most: 5, budgetMs: 2000, turns: 5 } : { most: 15, budgetMs: 5000, turns: 20 },
  );
  for (const store of stores) await store.close();
  for (const path of [folder, bare]) bench.folder.remove(path);
  return row(NAME, "append of 0.8 kB ÷ without the layer", ratio(ours, floor), "×", { bar: { atMost: 1.1 } });
}

/** Image `number`: different bytes for each, and the same for the same. */
function imageOf(base: Uint8Array, number: number): Buffer {
  const image = Buffer.from(base);
  image.writeUInt32LE(number + 1, 100);
  return image;
}

function messageOf(data: Uint8Array): Message {
  return { role: "user", content: [{ type: "image", image: data, mediaType: "image/png" }] };
}

/** The bytes somewhere in `value`. */
function bytesIn(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "object" || value === null) return new Uint8Array();
  for (const item of Object.values(value)) {
    const found = bytesIn(item);
    if (found.length > 0) return found;
  }
  return new Uint8Array();
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Names and bytes of the blobs. */
function filesIn(folder: string): [string[], number] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return [files.map(({ name }) => name), bytes];
}

function databaseBytes(folder: string): number {
  const path = databasePath(folder);
  return ["", "-wal"].reduce(
    (sum, suffix) => sum + (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
