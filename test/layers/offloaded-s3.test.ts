/** Blobs in a real S3-compatible server: the suite, what is in the bucket, and every way in which a service fails. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { inspect, promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSessions, memoryStore } from "../../src/index.ts";
import type { BlobStore, S3BlobsOptions } from "../../src/layers/offloaded.ts";
import { collectBlobs, offloadedStore, s3Blobs } from "../../src/layers/offloaded.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { begin, note } from "../../src/store/conformance/build.ts";
import { runConformance } from "../../src/store/conformance/index.ts";
import { freePort } from "../engines/kept-process.ts";
import type { S3Server } from "../engines/s3-server.ts";
import { missingS3, startS3 } from "../engines/s3-server.ts";
import { folderHarness, memoryHarness } from "../stores/harnesses.ts";
import { layeredHarness } from "./harness.ts";

const missing = missingS3();
if (missing) console.log(`left out: blobs in S3: ${missing}`);
const isLeftOut = missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all";
const WRAP = import.meta.resolve("./offloaded-s3-wrap.ts");
const LARGE = new Uint8Array(100_000).map((_, index) => index % 251);

describe.skipIf(isLeftOut)("blobs in S3", () => {
  let server: S3Server | undefined;
  const options = (more: Partial<S3BlobsOptions> = {}): S3BlobsOptions => {
    if (!server) throw new Error("no server");
    const { endpoint, bucket, credentials } = server;
    return { endpoint, bucket, credentials, ...more };
  };
  const objects = async (): Promise<string[]> => {
    const found = await readdir(server?.folder ?? "", { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  };

  beforeAll(async () => {
    server = await startS3();
    const { endpoint, bucket, credentials } = server;
    process.env.HOLDFAST_TEST_S3 = JSON.stringify({ endpoint, bucket, credentials });
  }, 60_000);
  afterAll(() => server?.stop());

  describe("conformance over memory", async () => {
    runConformance(await layeredHarness(memoryHarness(), WRAP), { test, describe });
  });
  describe("conformance over sqlite, in a namespace", async () => {
    runConformance(await layeredHarness(folderHarness("sqlite"), WRAP, "tenant: a/../b"), { test, describe });
  });

  test("a blob is one object, shared by sessions, and gone with the last of them", async () => {
    const before = (await objects()).length;
    const store = offloadedStore(memoryStore(), { blobs: s3Blobs(options({ prefix: "one/" })) });
    await begin(store, { id: "a" }, note(LARGE));
    await begin(store, { id: "b" }, note({ again: LARGE }));
    expect((await objects()).length).toBe(before + 1);
    expect((await store.read("b", { after: 1, limit: 1 }))[0]?.data).toEqual({ again: LARGE });
    await store.remove("a");
    expect((await objects()).length).toBe(before + 1);
    const removals: unknown[] = [];
    await store.remove("b", (removal) => removals.push(removal));
    expect((await objects()).length).toBe(before);
    expect(removals).toEqual([{ what: "blobs", count: 1, place: "s3 blobs" }]);
    expect(await collectBlobs(store)).toEqual({ blobs: 0, bytes: 0, references: 0, dryRun: false });
    await store.close();
  });

  test("a client of one's own is used, and stays open", async () => {
    const { S3Client, ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    const { endpoint, credentials, bucket } = options();
    const client = new S3Client({
      region: "us-east-1",
      forcePathStyle: true,
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials && { credentials }),
    });
    const store = offloadedStore(memoryStore(), { blobs: s3Blobs({ bucket, client, prefix: "own/" }) });
    await begin(store, { id: "a" }, note(LARGE));
    expect((await store.read("a", { after: 1, limit: 1 }))[0]?.data).toEqual(LARGE);
    await store.close();
    const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: "own/" }));
    expect(KeyCount).toBe(1);
    client.destroy();
  });

  test("wrong credentials are told, no attempt is repeated, and no secret is in the error", async () => {
    const secretAccessKey = "a-secret-that-must-not-be-told-0123456789";
    const { accessKeyId } = options().credentials ?? { accessKeyId: "" };
    for (const credentials of [
      { accessKeyId, secretAccessKey },
      { accessKeyId: "nobody", secretAccessKey },
    ]) {
      const error = await failure(s3Blobs(options({ credentials })));
      expect(error.message).toMatch(/InvalidAccessKeyId|SignatureDoesNotMatch|UserNotFound/);
      expect(error.retryable).toBe(false);
      expect(everythingIn(error)).not.toContain(secretAccessKey);
      expect(everythingIn(error)).not.toContain(options().credentials?.secretAccessKey);
    }
  });

  test("a bucket that isn't there is told, when writing and when reading", async () => {
    const blobs = s3Blobs(options({ bucket: "nowhere" }));
    const error = await failure(blobs);
    expect(error.message).toMatch(/"nowhere".*NoSuchBucket/);
    expect(error.retryable).toBe(false);
    await expect(blobs.get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  test("while the service is down large values fail, small ones don't, and all goes on afterwards", async () => {
    const blobs = s3Blobs(options({ prefix: "down/", maxAttempts: 1 }));
    const store = offloadedStore(memoryStore(), { blobs, cacheBytes: 0 });
    const session = await createSessions({ store }).create({ id: "a" });
    await session.append(file(LARGE));
    await server?.kill();
    const error = await session.append(file(LARGE, "again")).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    // It is the same content, which is kept already.
    expect(error).toBeUndefined();
    const other = LARGE.map((byte) => byte ^ 1);
    await expect(session.append(file(other))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: true,
      sessionId: "a",
    });
    await session.append({ role: "user", content: "small" });
    await expect(session.messages()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await server?.start();
    await session.append(file(other));
    const kept = (await session.messages()).map(({ content }) => inspect(content, { maxArrayLength: null }));
    const given = [file(LARGE).content, file(LARGE, "again").content, "small", file(other).content];
    const expected = given.map((content) => inspect(content, { maxArrayLength: null }));
    expect(kept.map((text, index) => text === expected[index])).toEqual([true, true, true, true]);
    await store.close();
  });

  test("many at once, of sessions that share contents", async () => {
    const blobs = s3Blobs(options({ prefix: "many/" }));
    const store = offloadedStore(memoryStore(), { blobs });
    const before = (await objects()).length;
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        begin(store, { id: `s${index}` }, note(LARGE.map((byte) => byte ^ (index % 10)))),
      ),
    );
    expect((await objects()).length).toBe(before + 10);
    await Promise.all(Array.from({ length: 40 }, (_, index) => store.remove(`s${index}`)));
    expect((await objects()).length).toBe(before);
    await store.close();
  });
});

describe("a service that fails", () => {
  test("connection refused", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const error = await failure(s3Blobs({ endpoint, bucket: "b", credentials: KEYS, maxAttempts: 1 }));
    expect(error.message).toMatch(/bucket "b".*ECONNREFUSED/);
    expect(error.retryable).toBe(true);
  });

  test("status 500: tried as often as was said, then told", async () => {
    let requests = 0;
    const { endpoint, close } = await service((response) => {
      requests += 1;
      response.writeHead(500).end("<Error><Code>InternalError</Code><Message>broken</Message></Error>");
    });
    const error = await failure(s3Blobs({ endpoint, bucket: "b", credentials: KEYS, maxAttempts: 2 }));
    expect(error.message).toMatch(/InternalError.*500.*broken/);
    expect(error.retryable).toBe(true);
    expect(requests).toBe(2);
    expect(everythingIn(error)).not.toContain(KEYS.secretAccessKey);
    await close();
  });

  test("status 500 once is nothing that a caller sees", async () => {
    let requests = 0;
    const { endpoint, close } = await service((response) => {
      requests += 1;
      response.writeHead(requests === 1 ? 500 : 200).end();
    });
    await s3Blobs({ endpoint, bucket: "b", credentials: KEYS }).put("a", LARGE);
    expect(requests).toBe(2);
    await close();
  });

  test("no answer within the time, at a write and in the middle of a read", async () => {
    const { endpoint, close } = await service((response, method) => {
      if (method === "GET") response.writeHead(200, { "content-length": "1000" }).write("some");
    });
    const blobs = s3Blobs({ endpoint, bucket: "b", credentials: KEYS, timeoutMs: 300 });
    for (const call of [() => blobs.put("a", LARGE), () => blobs.get("a")]) {
      const startedAt = performance.now();
      await expect(call()).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        retryable: true,
        message: expect.stringContaining("longer than 300 ms"),
      });
      expect(performance.now() - startedAt).toBeLessThan(5000);
    }
    await close();
  });

  test("an answer that is cut off", async () => {
    const { endpoint, close } = await service((response) => {
      response.writeHead(200, { "content-length": "1000" }).write("some");
      setTimeout(() => response.destroy(), 20);
    });
    const blobs = s3Blobs({ endpoint, bucket: "b", credentials: KEYS, maxAttempts: 1 });
    await expect(blobs.get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await close();
  });

  test("the SDK is not loaded before the first call", async () => {
    const offloaded = import.meta.resolve("../../src/layers/offloaded.ts");
    const code = `const { s3Blobs } = await import(${JSON.stringify(offloaded)});
      s3Blobs({ bucket: "b" });
      const { registerHooks } = await import("node:module");
      const loaded = [];
      registerHooks({ resolve(name, context, next) { loaded.push(name); return next(name, context); } });
      const get = s3Blobs({ bucket: "b", endpoint: "http://127.0.0.1:9", maxAttempts: 1, timeoutMs: 5000,
        credentials: { accessKeyId: "a", secretAccessKey: "b" } }).get("a").catch(() => 0);
      await get;
      console.log(loaded.includes("@aws-sdk/client-s3"));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code]);
    expect(stdout.trim()).toBe("true");
  });

  test("options that are none are refused", () => {
    for (const wrong of [
      { bucket: "" },
      { bucket: "b", timeoutMs: 0 },
      { bucket: "b", maxAttempts: 1.5 },
      { bucket: "b", endpoint: "nowhere" },
      { bucket: "b", prefix: "x".repeat(501) },
    ])
      expect(() => s3Blobs(wrong)).toThrow(HoldfastError);
  });
});

const file = (data: Uint8Array, filename = "a.bin") => ({
  role: "user" as const,
  content: [{ type: "file" as const, data, filename, mediaType: "image/png" }],
});
const KEYS = { accessKeyId: "someone", secretAccessKey: "the-secret-of-someone-0123456789" };

async function failure(blobs: BlobStore): Promise<HoldfastError> {
  const store = offloadedStore(memoryStore(), { blobs });
  const error = await begin(store, { id: "session 1" }, note(LARGE)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
  expect(error.sessionId).toBe("session 1");
  expect(await store.find(["session 1"])).toEqual([undefined]);
  return error;
}

function everythingIn(error: unknown): string {
  return inspect(error, { depth: 20, showHidden: true, maxStringLength: null });
}

/** A service that does what `answer` does. */
async function service(
  answer: (response: import("node:http").ServerResponse, method: string | undefined) => void,
): Promise<{ endpoint: string; close: () => Promise<void> }> {
  const port = await freePort();
  const server = createServer((request, response) => {
    request.resume();
    answer(response, request.method);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
