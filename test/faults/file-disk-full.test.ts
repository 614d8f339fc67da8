/**
 * The file store on a disk that is really full: a small file system in memory, mounted for the test.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { expect, onTestFinished, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import { commitOf, creation, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { inspectFolder } from "../../src/stores/file/inspect.ts";
import { fill, open, textsOf } from "../stores/file-fixture.ts";

const query = { order: "updated", limit: 1000 } as const;

/** A folder on a disk of 2 MiB, of which `ballast`, a file of 256 KiB in it, can be removed to make room. */
function smallDisk(context: TestContext): { readonly folder: string; readonly ballast: string } {
  const mount = mkdtempSync(join(tmpdir(), "holdfast-full-"));
  onTestFinished(() => rmSync(mount, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], { stdio: "pipe" });
  } catch (error) {
    context.skip(`a full disk needs a mount, which is not permitted here: ${String(error).split("\n")[0]}`);
  }
  onTestFinished(() => {
    execFileSync("umount", [mount]);
  });
  const ballast = join(mount, "ballast");
  writeFileSync(ballast, Buffer.alloc(256 * 1024));
  return { folder: join(mount, "sessions"), ballast };
}

function isFull(error: unknown): boolean {
  return HoldfastError.is(error, "STORE_UNAVAILABLE") && error.message.includes("the disk is full");
}

/** Appends until it fails; answers with the texts that were acknowledged and the error. */
async function appendUntilFull(store: SessionStore, record: SessionRecord, bytes: number) {
  const texts: string[] = [];
  let last = record;
  for (;;) {
    const text = `${texts.length} ${"x".repeat(bytes)}`;
    const next = commitOf(last, [say(text, `m${last.seq}`)]);
    try {
      expect(await store.commit([next])).toEqual([{ status: "committed" }]);
    } catch (error) {
      if (!HoldfastError.is(error)) throw error;
      return { texts, record: last, error };
    }
    texts.push(text);
    last = next.record;
  }
}

test.for([300, 5000, 200_000])(
  "a log that fills the disk with messages of %i bytes loses none, and goes on when there is room",
  { timeout: 60_000 },
  async (bytes, context) => {
    const { folder, ballast } = smallDisk(context);
    const store = open(folder);
    const created = await fill(store, "a", 0);
    const full = await appendUntilFull(store, created.record, bytes);
    expect(isFull(full.error), String(full.error)).toBe(true);
    expect(String(full.error)).toContain('"a"');
    for (const reader of [store, open(folder)]) {
      expect(await reader.find(["a"])).toEqual([full.record]);
      expect(await textsOf(reader, "a")).toEqual(full.texts);
      expect((await reader.list(query)).items).toEqual([full.record]);
    }
    rmSync(ballast);
    const more = await appendUntilFull(store, full.record, bytes);
    expect(more.texts.length).toBeGreaterThan(0);
    expect(await textsOf(open(folder), "a")).toEqual([...full.texts, ...more.texts]);
  },
);

test("creating on a full disk leaves nothing, and works when there is room", async (context) => {
  const { folder, ballast } = smallDisk(context);
  const store = open(folder);
  const kept = await fill(store, "kept", 1);
  const { record } = await appendUntilFull(store, kept.record, 1000);
  const creates = ["b", "c"].map((id) => commitOf(undefined, [creation({ id }), say("x".repeat(50_000))]));
  const error: unknown = await store.commit(creates).catch((thrown: unknown) => thrown);
  expect(isFull(error), String(error)).toBe(true);
  for (const reader of [store, open(folder)]) {
    expect(await reader.find(["kept", "b", "c"])).toEqual([record, undefined, undefined]);
    expect((await reader.list(query)).items).toEqual([record]);
  }
  for await (const finding of inspectFolder(folder)) expect(finding).toBeUndefined();
  expect(existsSync(join(folder, "b.jsonl.new"))).toBe(false);
  rmSync(ballast);
  expect(await store.commit(creates)).toEqual([{ status: "committed" }, { status: "committed" }]);
  expect((await store.list(query)).items).toHaveLength(3);
});

test("removing works on a full disk, and makes room", async (context) => {
  const { folder } = smallDisk(context);
  const store = open(folder);
  await fill(store, "large", 50, "x".repeat(10_000));
  const { record } = await fill(store, "a", 0);
  const full = await appendUntilFull(store, record, 3000);
  expect(isFull(full.error), String(full.error)).toBe(true);
  expect(await store.remove("large")).toBe(true);
  expect((await appendUntilFull(store, full.record, 3000)).texts.length).toBeGreaterThan(50);
});
