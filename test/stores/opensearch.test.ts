/**
 * What is of the OpenSearch store alone: reads that wait for no refresh, what a crash leaves between two documents, its
 * indices and templates, faults of node and connection, and its errors.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@opensearch-project/opensearch";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createSessions } from "../../src/index.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { OpenSearchClient } from "../../src/stores/opensearch/client.ts";
import { addressOf } from "../../src/stores/opensearch/client.ts";
import type { OpenSearchStoreOptions } from "../../src/stores/opensearch.ts";
import { opensearchStore } from "../../src/stores/opensearch.ts";
import type { OpenSearchServer } from "../engines/opensearch-server.ts";
import { missingOpenSearch, startOpenSearch } from "../engines/opensearch-server.ts";
import { startProxy } from "../faults/proxy.ts";
import { startGate } from "./opensearch-gate.ts";
import type { OpenSearchLocation } from "./opensearch-open.ts";
import { indicesOf, openOpenSearch } from "./opensearch-open.ts";

vi.setConfig({ testTimeout: 120_000 });

const APPENDS_PROCESS = fileURLToPath(new URL("opensearch-appends-process.ts", import.meta.url));
const run = promisify(execFile);
const LIST = { order: "updated", limit: 50 } as const;
const ALL = { after: 0, limit: 100_000 } as const;

const missing = missingOpenSearch();
if (missing) console.log(`left out: tests of the opensearch store: ${missing}`);

test("what is no client, no url, no index name or no number is INVALID_ARGUMENT, without the password", () => {
  const client: OpenSearchClient = { transport: { request: async () => ({ body: {} }) } };
  const wrong: object[] = [
    {},
    { client: {} },
    { client: null },
    { client, url: "opensearch://localhost" },
    { url: "http://user:secret@host" },
    { url: "opensearch://user:secret@[" },
    { url: "opensearch://user:sec%ret@host" },
    { url: "opensearch://" },
    { url: "opensearch://localhost", timeoutMs: 0 },
    { client, migrate: "never" },
    { client, settings: "none" },
    { client, durability: "paper" },
    { client, indices: { sessions: 'a"b' } },
    { client, indices: { sessions: "*" } },
    { client, indices: { sessions: "a,b" } },
    { client, indices: { sessions: "../a" } },
    { client, indices: { commits: "Upper" } },
    { client, indices: { commits: "_all" } },
    { client, indices: { commits: "" } },
    { client, indices: { commits: "a?x=1" } },
    { client, indices: { commits: "x".repeat(300) } },
    { client, indices: { sessions: "same", commits: "same" } },
  ];
  for (const options of wrong) {
    const make = (): SessionStore => Reflect.apply(opensearchStore, undefined, [options]);
    let thrown: unknown;
    try {
      make();
    } catch (error) {
      thrown = error;
    }
    expect(HoldfastError.is(thrown, "INVALID_ARGUMENT"), JSON.stringify(options)).toBe(true);
    expect(String(thrown)).not.toContain("secret");
  }
});

test("a url is read as it is written", () => {
  expect(addressOf("opensearch://localhost")).toEqual({ node: "http://localhost:9200" });
  expect(addressOf("opensearch+https://a:b%40%2F@host")).toEqual({
    node: "https://host:9200",
    auth: { username: "a", password: "b@/" },
  });
  expect(addressOf("opensearch+https://host:443").node).toBe("https://host:443");
  expect(addressOf("opensearch://[::1]:80/behind").node).toBe("http://[::1]:80/behind");
});

describe.skipIf(missing !== undefined && process.env.HOLDFAST_REQUIRE !== "all")("opensearch", () => {
  let server: OpenSearchServer;
  let raw: Client;
  let made = 0;

  beforeAll(async () => {
    if (missing) throw new Error(missing);
    server = await startOpenSearch();
    raw = new Client({ node: server.node });
  }, 120_000);
  afterAll(async () => {
    await raw?.close();
    await server?.stop();
  });

  /** Where no test was before. */
  function somewhere(isDurable = false): OpenSearchLocation {
    made += 1;
    return { node: server.node, prefix: `test-${made}`, namespaces: [], isDurable };
  }

  function open(location: OpenSearchLocation): SessionStore {
    const { store, close } = openOpenSearch(location);
    onTestFinished(close);
    return store;
  }

  /** The store by a client that a test can spoil. */
  function openBy(client: OpenSearchClient, { prefix }: OpenSearchLocation): SessionStore {
    return opensearchStore({ client, indices: indicesOf(prefix) });
  }

  /** All that is stored, as OpenSearch gives it. */
  async function contentOf({ prefix }: OpenSearchLocation): Promise<[id: string, content: unknown][]> {
    const index = Object.values(indicesOf(prefix));
    await raw.indices.refresh({ index });
    const { body } = await raw.search({ index, body: { size: 10_000, sort: ["_index", "_doc"] } });
    return body.hits.hits.map(({ _id = "", _source }) => [_id, _source]);
  }

  test("templates and indices have the names and settings that were given, and are made once", async () => {
    const location = somewhere();
    const names = indicesOf(location.prefix);
    const store = opensearchStore({
      client: raw,
      indices: names,
      settings: { number_of_replicas: 0, refresh_interval: "7s" },
    });
    const first = await store.migrate();
    expect([first.from, first.to, first.steps.length]).toEqual([0, 1, 2]);
    for (const name of Object.values(names)) {
      const { body: templates } = await raw.indices.getIndexTemplate({ name });
      expect(templates.index_templates[0]?.index_template.index_patterns).toEqual([name]);
      const { body: settings } = await raw.indices.getSettings({ index: name });
      expect(settings[name]?.settings?.index).toMatchObject({
        refresh_interval: "7s",
        number_of_replicas: "0",
      });
      const { body: mappings } = await raw.indices.getMapping({ index: name });
      expect(mappings[name]?.mappings).toMatchObject({
        dynamic: "false",
        _meta: { holdfast: { schema: 1 } },
      });
    }
    expect((await open(location).migrate()).steps).toEqual([]);
    await begin(store, { id: "a" });
    await raw.indices.delete({ index: names.sessions });
    await rejects(() => store.find(["a"]), "MIGRATION_REQUIRED", "find without an index that was there");
    expect((await store.migrate()).steps).toHaveLength(1);
    expect(await store.find(["a"])).toEqual([undefined]);
  });

  test('migrate: "manual" makes nothing by itself', async () => {
    const location = somewhere();
    const indices = indicesOf(location.prefix);
    const store = opensearchStore({ client: raw, indices, migrate: "manual" });
    for (const call of [
      () => store.find(["a"]),
      () => store.list(LIST),
      () => store.commit([commitOf(undefined, [creation({ id: "a" })])]),
    ])
      await rejects(call, "MIGRATION_REQUIRED", "a call");
    expect((await raw.indices.exists({ index: Object.values(indices) })).body).toBe(false);
    await open(location).migrate();
    await begin(store, { id: "a" });
    expect((await store.find(["a"]))[0]?.version).toBe(1);
  });

  test("find, read, duplicates and conflicts wait for no refresh; lists and searches do", async () => {
    const { prefix } = somewhere();
    const options: OpenSearchStoreOptions = {
      client: raw,
      indices: indicesOf(prefix),
      settings: { number_of_replicas: 0, refresh_interval: "-1" },
    };
    const [store, other] = [opensearchStore(options), opensearchStore(options)];
    const session = await begin(store, { id: "a", userId: "u" }, say("first words", "m0"));
    for (let index = 1; index < 20; index += 1) await session.write(say(`text ${index}`, `m${index}`));
    expect(await other.find(["a"])).toEqual([session.record]);
    expect(await other.read("a", ALL)).toEqual(session.entries);
    expect(await outcomeOf(other, session.next(say("again", "m7")))).toMatchObject({
      status: "duplicate",
      seq: 9,
    });
    const next = session.next(say("next"));
    expect(await outcomeOf(other, next)).toEqual({ status: "committed" });
    expect(await outcomeOf(store, session.next(say("late")))).toEqual({
      status: "conflict",
      current: next.record,
    });
    expect((await other.list(LIST)).items).toEqual([]);
    expect((await other.search?.("words", LIST))?.items).toEqual([]);
    await raw.indices.refresh({ index: Object.values(indicesOf(prefix)) });
    expect((await other.list(LIST)).items).toEqual([next.record]);
    expect((await other.search?.("words", LIST))?.items).toMatchObject([{ seq: 2, snippet: "first words" }]);
    const last = commitOf(next.record, [say("last")]);
    expect(await outcomeOf(store, last)).toEqual({ status: "committed" });
    expect((await other.list(LIST)).items).toEqual([next.record]);
    await vi.waitFor(async () => {
      await raw.indices.refresh({ index: Object.values(indicesOf(prefix)) });
      expect((await other.list(LIST)).items).toEqual([last.record]);
    }, 10_000);
    expect(await other.remove("a")).toBe(true);
    expect((await store.list(LIST)).items).toEqual([]);
  });

  test("a fork of just now keeps what it inherits when its parent is deleted, whatever was refreshed", async () => {
    const { prefix } = somewhere();
    const store = opensearchStore({
      client: raw,
      indices: indicesOf(prefix),
      settings: { number_of_replicas: 0, refresh_interval: "-1" },
    });
    const sessions = createSessions({ store });
    const parent = await sessions.create({
      id: "parent",
      messages: [{ role: "user", content: "inherited" }],
    });
    const fork = await parent.fork({ id: "fork" });
    expect(await sessions.delete("parent")).toBe(true);
    expect(await fork.messages()).toMatchObject([{ content: "inherited" }]);
    expect(await sessions.delete("fork")).toBe(true);
    expect(await store.find(["parent", "fork"])).toEqual([undefined, undefined]);
  });

  test("a log of commits of all sizes is read from any place, by a store that never saw it", async () => {
    const location = somewhere();
    const store = open(location);
    const session = await begin(store, { id: "a" }, note(0));
    for (let index = 0; index < 90; index += 1) {
      const size = index === 40 ? 700 : 1 + ((index * index) % 7);
      await session.write(...Array.from({ length: size }, (_, at) => note([index, at])));
    }
    const { entries } = session;
    const places = [0, 1, 2, 17, 100, 170, 190, 500, 850, 880, entries.length - 3, entries.length, 5000];
    for (const place of places) {
      const reader = open(location);
      expect(await reader.read("a", { after: place, limit: 9 })).toEqual(entries.slice(place, place + 9));
      const before = { after: 0, upTo: place, limit: 9, reverse: true };
      const newest = entries.slice(Math.max(0, Math.min(place, entries.length) - 9), place).toReversed();
      expect(await open(location).read("a", before)).toEqual(newest);
    }
    const walked: unknown[] = [];
    for (let after = 0; ; ) {
      const page = await store.read("a", { after, limit: 100 });
      walked.push(...page);
      after = page.at(-1)?.seq ?? after;
      if (page.length < 100) break;
    }
    expect(walked).toEqual(entries);
  });

  test("each call is as few requests as the documentation says, however long the log is", async () => {
    const location = somewhere();
    let requests = 0;
    const counting: OpenSearchClient = {
      transport: {
        async request(params, options) {
          requests += 1;
          return raw.transport.request(params, options);
        },
      },
    };
    const requestsOf = async (call: () => Promise<unknown>): Promise<number> => {
      requests = 0;
      await call();
      return requests;
    };
    /** Until the projections are written that follow their commits. */
    const settled = () => new Promise((resolve) => setTimeout(resolve, 1500));
    await open(location).migrate();
    const [store, fresh] = [openBy(counting, location), openBy(counting, location)];
    const session = await begin(store, { id: "a" });
    for (let index = 0; index < 100; index += 1) await session.write(note(index), say(`text ${index}`));
    await settled();
    expect(await requestsOf(() => session.write(say("plain")))).toBe(1);
    expect(await requestsOf(settled)).toBe(1);
    // Also while the session document is behind.
    for (let index = 0; index < 30; index += 1) await session.write(note(index));
    expect(await requestsOf(async () => expect(await store.find(["a"])).toEqual([session.record]))).toBe(1);
    await session.write(say("once more"));
    expect(await requestsOf(async () => expect(await store.find(["a"])).toEqual([session.record]))).toBe(1);
    expect(await requestsOf(settled)).toBeLessThanOrEqual(2);
    expect(await requestsOf(() => session.write(say("named", "m1"), say("named", "m2")))).toBe(2);
    expect(await requestsOf(settled)).toBe(2);
    await fresh.find(["b"]);
    expect(await requestsOf(() => fresh.find(["a"]))).toBe(2);
    expect(await requestsOf(() => fresh.find(["a"]))).toBe(1);
    expect(await requestsOf(() => fresh.read("a", { after: 0, limit: 20, reverse: true }))).toBe(2);
    expect(await requestsOf(() => fresh.read("a", { after: 0, limit: 20 }))).toBe(2);
    expect(await requestsOf(() => fresh.read("a", { after: 80, limit: 20 }))).toBeLessThanOrEqual(4);
    await vi.waitFor(async () => expect((await fresh.list(LIST)).items).toHaveLength(1), 10_000);
    expect(await requestsOf(() => fresh.list(LIST))).toBe(1);
    expect(await requestsOf(() => store.commit([commitOf(undefined, [creation({ id: "new" })])]))).toBe(2);
  });

  test("a word longer than OpenSearch keeps in one piece is found by its beginning, and not by its middle", async () => {
    const store = open(somewhere());
    const word = `${"a".repeat(255)}needle${"b".repeat(300)}`;
    await begin(store, { id: "long" }, say(`before ${word} after`));
    await begin(store, { id: "pairs" }, say(`${"a".repeat(199)}${"𐐨".repeat(100)}`));
    const found = async (text: string): Promise<string[]> =>
      ((await store.search?.(text, LIST))?.items ?? []).map(({ sessionId }) => sessionId);
    await vi.waitFor(async () => expect(await found("aa")).toEqual(["pairs", "long"]), 10_000);
    expect(await found(word)).toEqual(["long"]);
    expect(await found("a".repeat(254))).toEqual(["long"]);
    expect(await found("needle")).toEqual([]);
    expect(await found(`${"a".repeat(255)}other`)).toEqual([]);
    // What is looked for of it ends within a pair.
    expect(await found(`${"a".repeat(199)}𐐨`)).toEqual(["pairs"]);
  });

  test("what a crash leaves behind its commit is healed by whoever looks, and its ids are known", async () => {
    const location = somewhere();
    const store = open(location);
    const session = await begin(store, { id: "a", userId: "u" }, say("one", "m1"));
    const { sessions } = indicesOf(location.prefix);
    // As a process that dies once the commit document is written.
    const dying = openBy(
      failingAt((lines) => lines.includes(`"_index":"${sessions}"`) && lines.includes("if_seq_no")),
      location,
    );
    // Its projection follows a moment after.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const lost = session.next(say("two", "m2"), say("three"));
    expect(await outcomeOf(dying, lost)).toEqual({ status: "committed" });
    const [reader, writer] = [open(location), open(location)];
    expect(await reader.read("a", ALL)).toEqual([...session.entries, ...lost.entries]);
    expect(await outcomeOf(writer, lost)).toEqual({ status: "duplicate", entryId: "m2", seq: 3 });
    expect(await open(location).find(["a"])).toEqual([lost.record]);
    const next = commitOf(lost.record, [say("four", "m4")]);
    expect(await outcomeOf(store, next)).toEqual({ status: "committed" });
    await vi.waitFor(
      async () => expect((await reader.list({ ...LIST, userId: "u" })).items).toEqual([next.record]),
      10_000,
    );
    const hits = async () => (await reader.search?.("three", LIST))?.items;
    await vi.waitFor(async () => expect(await hits()).toMatchObject([{ sessionId: "a", seq: 4 }]), 10_000);
  });

  test("a creation that died before its commit is none; one that died after it is there", async () => {
    const location = somewhere();
    const { sessions, commits } = indicesOf(location.prefix);
    const store = open(location);
    await store.migrate();
    const first = commitOf(undefined, [creation({ id: "a" }), say("never", "m1")]);
    const before = openBy(
      failingAt((lines) => lines.includes(`"_index":"${commits}"`)),
      location,
    );
    await rejects(() => before.commit([first]), "STORE_UNAVAILABLE", "the commit that never came");
    expect(await store.find(["a"])).toEqual([undefined]);
    expect(await store.read("a", ALL)).toEqual([]);
    expect(await store.remove("a")).toBe(false);
    await rejects(() => before.commit([first]), "STORE_UNAVAILABLE", "the commit that never came");
    const after = openBy(
      failingAt((lines) => lines.includes(`"_index":"${sessions}"`) && lines.includes("if_seq_no")),
      location,
    );
    const second = commitOf(undefined, [creation({ id: "a", userId: "u" }), say("there", "m1")]);
    expect(await outcomeOf(after, second)).toEqual({ status: "committed" });
    expect(await outcomeOf(store, first)).toEqual({ status: "duplicate", entryId: "m1", seq: 2 });
    expect(await open(location).find(["a"])).toEqual([second.record]);
    await vi.waitFor(async () => expect((await store.list(LIST)).items).toEqual([second.record]), 10_000);
    expect(await store.remove("a")).toBe(true);
    // Markers and ends of logs stay for an hour: by then nobody can still be writing to what was removed.
    for (const [, source] of await contentOf(location))
      expect(source).not.toMatchObject({ entries: expect.stringContaining("there") });
    for (const [id, source] of await contentOf(location))
      if (!id.startsWith("marker/")) expect(source).not.toHaveProperty("record");
  });

  test("two processes append 50 each at once: 100 are there, in order, none failed", async () => {
    const location = somewhere();
    await begin(open(location), { id: "shared" });
    const failures = await Promise.all(
      ["one", "two"].map(async (name) => {
        const args = [APPENDS_PROCESS, JSON.stringify(location), "shared", name, "50"];
        return (await run(process.execPath, args)).stdout;
      }),
    );
    expect(failures).toEqual(["0", "0"]);
    const entries = await open(location).read("shared", ALL);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    const texts = entries.flatMap(({ type, data }) => (type === "message" ? JSON.stringify(data) : []));
    expect(new Set(texts).size).toBe(100);
  });

  test("an answer that is lost: a client that sends again commits once, one that does not says that it is not known", async () => {
    const location = somewhere();
    const proxy = await startProxy(Number(new URL(server.node).port));
    onTestFinished(proxy.close);
    const direct = open(location);
    const session = await begin(direct, { id: "a" });
    const client = new Client({ node: `http://127.0.0.1:${proxy.port}`, maxRetries: 3 });
    onTestFinished(() => client.close());
    const retrying = openBy(client, location);
    const once = opensearchStore({
      url: `opensearch://127.0.0.1:${proxy.port}`,
      indices: indicesOf(location.prefix),
    });
    onTestFinished(() => once.close());
    for (const store of [retrying, once]) await store.find(["a"]);

    let sprung = proxy.arm({ fault: "after", mark: "marked-one" });
    const first = session.next(say("marked-one"));
    expect(await outcomeOf(retrying, first)).toEqual({ status: "committed" });
    await sprung;
    sprung = proxy.arm({ fault: "after", mark: "marked-two" });
    const second = commitOf(first.record, [say("marked-two", "m2")]);
    const error = await rejects(() => once.commit([second]), "STORE_UNAVAILABLE", "the commit");
    await sprung;
    expect(error.retryable).toBe(true);
    expect(await once.find(["a"])).toEqual([second.record]);
    expect(await outcomeOf(once, second)).toEqual({ status: "duplicate", entryId: "m2", seq: 3 });
    expect(await direct.read("a", ALL)).toHaveLength(3);
  });

  test("a node that is killed under load and comes back: every acknowledged message is there once, in order", async () => {
    const location = somewhere(true);
    const store = open(location);
    await store.migrate();
    let isOver = false;
    const acknowledged: string[][] = [];
    const write = async (id: string, mine: string[]): Promise<void> => {
      const sessions = createSessions({ store });
      const session = await sessions.create({ id });
      for (let index = 0; !isOver; index += 1) {
        const messageId = `${id} ${index}`;
        const appended = session.append({ role: "user", content: messageId }, { ids: [messageId] });
        const error = await appended.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error === undefined) mine.push(messageId);
        else {
          expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, index) => {
      const mine: string[] = [];
      acknowledged.push(mine);
      return write(`s${index}`, mine);
    });
    await vi.waitFor(
      () => expect(Math.min(...acknowledged.map(({ length }) => length))).toBeGreaterThan(5),
      60_000,
    );
    await server.crash();
    const before = acknowledged.map(({ length }) => length);
    await server.start();
    const writtenSince = (): number[] =>
      acknowledged.map(({ length }, index) => length - (before[index] ?? 0));
    await vi.waitFor(() => expect(Math.min(...writtenSince())).toBeGreaterThan(3), 60_000);
    isOver = true;
    await Promise.all(writers);
    const reader = open(location);
    for (const [index, mine] of acknowledged.entries()) {
      const entries = await reader.read(`s${index}`, ALL);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 1));
      const ids = entries.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(mine.filter((id) => !ids.includes(id))).toEqual([]);
      expect((await reader.find([`s${index}`]))[0]?.seq).toBe(entries.at(-1)?.seq);
    }
  });

  test("nobody at the address, a wrong password, a lacking privilege: STORE_UNAVAILABLE that says what to do, without the password", async () => {
    const location = somewhere();
    const indices = indicesOf(location.prefix);
    const gate = await startGate(server.node, {
      user: "ada",
      password: "right",
      may: (method, path) => method !== "PUT" || !path.startsWith("/_index_template"),
    });
    onTestFinished(gate.close);
    const at = (url: string): SessionStore => {
      const store = opensearchStore({ url, indices, timeoutMs: 5000 });
      onTestFinished(() => store.close());
      return store;
    };
    const nobody = at("opensearch://ada:secret@127.0.0.1:1");
    const wrong = at(`opensearch://ada:secret@127.0.0.1:${gate.port}`);
    const lacking = at(`opensearch://ada:right@127.0.0.1:${gate.port}`);
    const create = commitOf(undefined, [creation({ id: "a" })]);
    const unreachable = await rejects(() => nobody.find(["a"]), "STORE_UNAVAILABLE", "find");
    const refused = await rejects(() => wrong.find(["a"]), "STORE_UNAVAILABLE", "find");
    const forbidden = await rejects(() => lacking.commit([create]), "STORE_UNAVAILABLE", "commit");
    expect([unreachable.retryable, refused.retryable, forbidden.retryable]).toEqual([true, false, false]);
    expect(unreachable.message).toContain("see that the cluster runs");
    expect(refused.message).toContain("password");
    expect(forbidden.message).toContain("privilege");
    for (const error of [unreachable, refused, forbidden]) {
      const text = JSON.stringify([error, error.message, error.cause, Object.entries(error.cause ?? {})]);
      expect(text).not.toMatch(/secret|right|YWRh/);
      expect(error.store).toBe("opensearch");
    }
    expect((await raw.indices.exists({ index: Object.values(indices) })).body).toBe(false);
    // Whoever has the privilege makes the indices; the others only use them.
    await open(location).migrate();
    await begin(lacking, { id: "a" });
    expect((await lacking.find(["a"]))[0]?.version).toBe(1);
  });

  test("a commit that a proxy finds too large is ENTRY_TOO_LARGE, and the session goes on", async () => {
    const location = somewhere();
    const rules = { user: "ada", password: "right", may: () => true, maxBytes: 1_000_000 };
    const gate = await startGate(server.node, rules);
    onTestFinished(gate.close);
    const url = `opensearch://ada:right@127.0.0.1:${gate.port}`;
    const store = opensearchStore({ url, indices: indicesOf(location.prefix) });
    onTestFinished(() => store.close());
    const large = say("x".repeat(2_000_000));
    const tooLarge = commitOf(undefined, [creation({ id: "a" }), large]);
    const refused = await rejects(() => store.commit([tooLarge]), "ENTRY_TOO_LARGE", "a creation");
    expect(refused.message).toContain("http.max_content_length");
    expect(await store.find(["a"])).toEqual([undefined]);
    const session = await begin(store, { id: "a" });
    await rejects(() => store.commit([session.next(large)]), "ENTRY_TOO_LARGE", "a commit");
    await session.write(say("small"));
    expect(await open(location).find(["a"])).toEqual([session.record]);
  });

  test("indices of others and of a newer release are MIGRATION_REQUIRED, and nothing is changed", async () => {
    const location = somewhere();
    const indices = indicesOf(location.prefix);
    await raw.index({ index: indices.sessions, id: "x", body: { title: "theirs" }, refresh: true });
    const store = open(location);
    const calls: (() => Promise<unknown>)[] = [
      () => store.find(["a"]),
      () => store.commit([commitOf(undefined, [creation({ id: "a" })])]),
      () => store.migrate(),
      () => store.list(LIST),
      () => store.remove("a"),
    ];
    for (const call of calls) {
      const error = await rejects(call, "MIGRATION_REQUIRED", "a call");
      expect(error.message).toContain(`"${indices.sessions}"`);
    }
    expect((await raw.indices.exists({ index: indices.commits })).body).toBe(false);
    expect((await raw.count({ index: indices.sessions })).body.count).toBe(1);

    const newer = somewhere();
    await begin(open(newer), { id: "a" }, say("kept"));
    const { commits } = indicesOf(newer.prefix);
    const meta = { _meta: { holdfast: { schema: 2, kind: "commits" } } };
    await raw.indices.putMapping({ index: commits, body: meta });
    const before = await contentOf(newer);
    const late = open(newer);
    for (const call of [() => late.find(["a"]), () => late.migrate(), () => late.remove("a")]) {
      const error = await rejects(call, "MIGRATION_REQUIRED", "a call");
      expect(error.message).toContain("update holdfast");
    }
    expect(await contentOf(newer)).toEqual(before);
  });

  test("a read-only index refuses writes and is read; a closed client is STORE_UNAVAILABLE", async () => {
    const location = somewhere();
    const store = open(location);
    const session = await begin(store, { id: "a" }, say("one", "m1"));
    const index = Object.values(indicesOf(location.prefix));
    await raw.indices.putSettings({ index, body: { "index.blocks.write": true } });
    const before = await contentOf(location);
    for (const call of [() => store.commit([session.next(say("two"))]), () => store.remove("a")]) {
      const error = await rejects(call, "STORE_UNAVAILABLE", "a write");
      expect([error.message.includes("read-only"), error.retryable]).toEqual([true, true]);
    }
    expect(await open(location).find(["a"])).toEqual([session.record]);
    expect(await open(location).read("a", ALL)).toEqual(session.entries);
    expect(await contentOf(location)).toEqual(before);
    await raw.indices.putSettings({ index, body: { "index.blocks.write": false } });
    await session.write(say("two"));

    const client = new Client({ node: server.node });
    const closed = openBy(client, location);
    await closed.find(["a"]);
    await client.close();
    await rejects(() => closed.find(["a"]), "STORE_UNAVAILABLE", "find by a closed client");
  });

  test("commits up to their limit fit into a request, however their text is escaped", async () => {
    const store = open(somewhere());
    const session = await begin(store, { id: "a" });
    const part = '"'.repeat(3_900_000);
    await session.write(note(part), note(part), note(part));
    expect(await store.read("a", { after: 1, limit: 3 })).toEqual(session.entries.slice(1));
    const more = session.next(note(part), note(part), note(part), note(part));
    await rejects(() => store.commit([more]), "ENTRY_TOO_LARGE", "a commit past the limit");
    expect(await store.find(["a"])).toEqual([session.record]);
  });

  /** A client that breaks down, and stays so, at the first bulk request that `isFatal` holds for. */
  function failingAt(isFatal: (lines: string) => boolean): OpenSearchClient {
    let isDead = false;
    return {
      transport: {
        async request(params, options) {
          isDead ||= isFatal(params.bulkBody?.toString() ?? "");
          if (isDead) throw Object.assign(new Error("the process is gone"), { name: "ConnectionError" });
          return raw.transport.request(params, options);
        },
      },
    };
  }
});
