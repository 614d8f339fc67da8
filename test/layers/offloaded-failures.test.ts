/** What is said where a blob can't be kept or read. */
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import type { BlobStore } from "../../src/layers/offloaded.ts";
import { fileBlobs, memoryBlobs, offloadedStore } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { begin, note, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { bytes, over, text } from "./offloaded-support.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-offloaded-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a blob that can't be read", () => {
  async function damaged(
    damage: (path: string) => Promise<unknown>,
  ): Promise<{ error: unknown; store: SessionStore }> {
    const place = await mkdtemp(join(folder, "damaged-"));
    const store = offloadedStore(memoryStore(), { blobs: fileBlobs({ folder: place }), cacheBytes: 0 });
    await begin(store, { id: "the session" }, say("small"), say(text("a", 50_000)));
    const files = await readdir(place, { recursive: true, withFileTypes: true });
    const file = files.find((entry) => entry.isFile());
    await damage(join(file?.parentPath ?? "", file?.name ?? ""));
    const error = await store.read("the session", { after: 0, limit: 10 }).catch((reason: unknown) => reason);
    return { error, store };
  }

  test("because it is missing: STORE_CORRUPT names blob, session and entry, and the rest is read", async () => {
    const { error, store } = await damaged((path) => rm(path));
    expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: "the session", retryable: false });
    expect(String(error)).toMatch(
      /the blob [0-9a-f]{64}\.[0-9a-f]{16} \(50000 bytes\), which entry 3 of session "the session"/,
    );
    expect(await store.read("the session", { after: 0, upTo: 2, limit: 10 })).toHaveLength(2);
    expect(await store.remove("the session")).toBe(true);
  });

  for (const [how, damage] of Object.entries({
    "cut off": (path: string) => truncate(path, 49_999),
    longer: (path: string) => appendFile(path, "a"),
    empty: (path: string) => truncate(path, 0),
    another: (path: string) => writeFile(path, text("b", 50_000)),
    "changed in one byte": async (path: string) => {
      const content = await readFile(path);
      content[25_000] = 98;
      await writeFile(path, content);
    },
  })) {
    test(`because it is ${how}: STORE_CORRUPT`, async () => {
      const { error } = await damaged(damage);
      expect(error).toMatchObject({ code: "STORE_CORRUPT", sessionId: "the session" });
      expect(String(error)).toMatch(/the blob [0-9a-f]{64}.*entry 3 of session "the session".*was changed/);
    });
  }

  test("because its session was removed meanwhile: then the session has no entries", async () => {
    const { raw, blobs } = over(memoryStore());
    const other = offloadedStore(raw, { blobs, thresholdBytes: 64 });
    let isArmed = true;
    const slow: BlobStore = {
      ...blobs,
      async get(key) {
        if (isArmed) await other.remove("a");
        isArmed = false;
        return blobs.get(key);
      },
    };
    const store = offloadedStore(raw, { blobs: slow, thresholdBytes: 64 });
    await begin(other, { id: "a" }, say(text("a")), {
      type: "state.set",
      data: { slot: "s", value: text("b") },
    });
    expect(await store.read("a", { after: 0, limit: 10 })).toEqual([]);
    await begin(other, { id: "a" }, { type: "state.set", data: { slot: "s", value: text("b") } });
    isArmed = true;
    expect(await store.find(["a"])).toEqual([undefined]);
  });
});

describe("a blob that can't be kept", () => {
  const broken = (folderOfBlobs: string) =>
    offloadedStore(memoryStore(), { blobs: fileBlobs({ folder: folderOfBlobs }), thresholdBytes: 64 });

  for (const [how, path, why] of [
    ["a file stands where the folder should be", "file/blobs", /ENOTDIR|EEXIST/],
    ["the folder can't be made", "/proc/blobs", /ENOENT|EACCES|EPERM/],
  ] as const) {
    test(`because ${how}: nothing is committed, small values still are`, async () => {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "file"), "");
      const place = path.startsWith("/") ? path : join(folder, path);
      const store = broken(place);
      const session = await begin(store, { id: "a" });
      const error = await store.commit([session.next(say(text("a")))]).catch((reason: unknown) => reason);
      if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
      expect(error.sessionId).toBe("a");
      expect(error.message).toContain(`session "a"`);
      expect(error.message).toContain(JSON.stringify(place));
      expect(error.message).toMatch(why);
      await session.write(say("small"));
      expect(await store.read("a", { after: 0, limit: 10 })).toHaveLength(2);
    });
  }

  test("because the disk is full, or read-only: the error says so, nothing unfinished is left, and all goes on", async (context) => {
    const mount = await mkdtemp(join(folder, "mount-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "pipe" });
    } catch (error) {
      context.skip(`a full disk needs a mount, which is not permitted here: ${String(error).split("\n")[0]}`);
    }
    onTestFinished(() => void execFileSync("umount", [mount]));
    const store = broken(mount);
    await writeFile(join(mount, "ballast"), bytes(900_000));
    const session = await begin(store, { id: "a" });
    const files = async (): Promise<number> =>
      (await readdir(mount, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
        .length;
    await expect(store.commit([session.next(say(text("a", 500_000)))])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      sessionId: "a",
      retryable: true,
      message: expect.stringMatching(/ENOSPC.*make room on the disk/),
    });
    expect(await files()).toBe(1);
    await rm(join(mount, "ballast"));
    await session.write(say(text("a", 500_000)));
    expect(await files()).toBe(1);

    execFileSync("mount", ["-o", "remount,ro", mount], { stdio: "pipe" });
    await expect(store.commit([session.next(say(text("b", 500)))])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: false,
      message: expect.stringMatching(/EROFS.*check the folder and its permissions/),
    });
    expect(await store.read("a", { after: 1, limit: 5 })).toEqual(session.entries.slice(1));
    await expect(store.remove("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    execFileSync("mount", ["-o", "remount,rw", mount], { stdio: "pipe" });
    await store.remove("a");
    expect(await files()).toBe(0);
  });

  test("while sessions without large values in the same batch are committed", async () => {
    const blobs = { ...memoryBlobs(), put: () => Promise.reject(new Error("no room")) };
    const store = offloadedStore(memoryStore(), { blobs, thresholdBytes: 64 });
    const sessions = createSessions({ store });
    const [small, large] = await Promise.all([
      sessions.create({ id: "small" }),
      sessions.create({ id: "large" }),
    ]);
    const results = await Promise.allSettled([
      small.append({ role: "user", content: "small" }),
      large.append({ role: "user", content: text("a") }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(results[1]).toMatchObject({
      reason: { code: "STORE_UNAVAILABLE", message: expect.stringContaining("no room") },
    });
    expect(await small.messages()).toHaveLength(1);
  });

  test("bad input is refused before anything is kept", async () => {
    const { store, blobs } = over(memoryStore());
    const session = await begin(store, { id: "a" });
    const cycle: unknown[] = [text("a")];
    cycle.push(cycle, cycle);
    for (const bad of [
      [text("a"), Number.NaN],
      cycle,
      { a: text("a"), b: () => 1 },
      [text("a"), { [Symbol("s")]: 1 }],
    ])
      await expect(store.commit([session.next(say("first"), note(bad))])).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    const numbers = Array.from({ length: 9_000_000 }, () => 7);
    await expect(store.commit([session.next(note([text("a"), numbers]))])).rejects.toMatchObject({
      code: "ENTRY_TOO_LARGE",
      sessionId: "a",
    });
    expect(blobs.count).toBe(0);
  });
});
