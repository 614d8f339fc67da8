/** The redaction under sessions: what a retry, another handle, the running process and the raw storage see. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Message } from "../../src/index.ts";
import { createSessions, memoryStore } from "../../src/index.ts";
import { personalData, redactedStore, secrets } from "../../src/layers/redacted.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { GITHUB, KEY, MAIL, STRIPE, tokenOf } from "./redacted-support.ts";

const TEXT = `ask ${MAIL} for ${GITHUB}`;
const HIDDEN = "ask [redacted:email] for [redacted:github]";
const user = (content: string): Message => ({ role: "user", content });
const around = (store: SessionStore, key?: Uint8Array) =>
  redactedStore(store, { redact: [secrets(), personalData()], ...(key && { key }) });

describe("retries", () => {
  for (const [title, key] of [
    ["with a key", KEY],
    ["without one", undefined],
  ] as const) {
    test(`${title}: the same message under the same id is a repeat, also from another process`, async () => {
      const memory = memoryStore();
      const first = createSessions({ store: around(memory, key) });
      const session = await first.create({ id: "s" });
      const message = user(TEXT);
      const ids = ["m"];
      const done = await session.append(message, { ids });
      const again = await session.append(message, { ids });
      expect([again.duplicate, again.ids]).toEqual([true, done.ids]);
      // Another process: nothing is shared but the storage.
      const second = await createSessions({ store: around(memory, key) }).open("s");
      const late = await second.append([message, user("more")], { ids: ["m", "n"] });
      expect(late.ids[0]).toBe("m");
      expect(await second.messages()).toHaveLength(2);
      await expect(second.append(user("other"), { ids })).rejects.toMatchObject({
        code: "DUPLICATE_ENTRY",
      });
      expect(JSON.stringify(memory.snapshot())).not.toContain(MAIL);
    });

    test(`${title}: the same operation is a repeat, another one under its id is refused`, async () => {
      const memory = memoryStore();
      const one = { operationId: "o" };
      const messages: Message[] = [user(TEXT), { role: "assistant", content: "Done." }];
      const session = await createSessions({ store: around(memory, key) }).create({ id: "s" });
      const done = await session.append(messages, one);
      const second = await createSessions({ store: around(memory, key) }).open("s");
      const again = await second.append(messages, one);
      expect(again).toMatchObject({ duplicate: true, ids: done.ids, seq: done.seq });
      await expect(second.append([{ role: "user", content: MAIL }], one)).rejects.toMatchObject({
        code: "DUPLICATE_ENTRY",
      });
    });
  }

  test("with a key, another secret in the same place is another message", async () => {
    const memory = memoryStore();
    const session = await createSessions({ store: around(memory, KEY) }).create({ id: "s" });
    await session.append(user(GITHUB), { ids: ["m"] });
    const other = createSessions({ store: around(memory, KEY) });
    await expect((await other.open("s")).append(user(STRIPE), { ids: ["m"] })).rejects.toMatchObject({
      code: "DUPLICATE_ENTRY",
    });
  });

  test("with a key, nobody can check a guess by the digest of an operation", async () => {
    const digestOf = async (key?: Uint8Array) => {
      const memory = memoryStore();
      const session = await createSessions({ store: around(memory, key) }).create();
      await session.append([{ role: "user", content: MAIL }], { operationId: "o" });
      return JSON.stringify(memory.snapshot()).match(/"digest":"([^"]+)"/)?.[1];
    };
    expect(await digestOf(KEY)).not.toBe(await digestOf());
    expect(await digestOf(KEY)).toBe(await digestOf(KEY));
  });
});

test("the running process knows its own record as it was given, and reads messages as they are stored", async () => {
  const memory = memoryStore();
  const sessions = createSessions({ store: around(memory) });
  const session = await sessions.create({ id: "s" });
  await session.setData({ contact: MAIL });
  await session.append({ role: "user", content: TEXT });
  expect(session.data).toEqual({ contact: MAIL });
  expect((await session.messages()).map(({ content }) => content)).toEqual([HIDDEN]);
  const reopened = await createSessions({ store: around(memory) }).open("s");
  expect(reopened.data).toEqual({ contact: "[redacted:email]" });
  // What was read back stays as it is, however often it is written again.
  await reopened.setData({ more: 1 });
  await session.setData({ again: 2 });
  const [record] = await memory.find(["s"]);
  expect(record?.data).toEqual({ contact: "[redacted:email]", more: 1, again: 2 });
});

describe("a label that is cut from a text", () => {
  const card = "4111 1111 1111 1111";
  for (const [title, text, part] of [
    ["a card", `For the whole of the trip, my card is ${card}, thanks`, "4111"],
    ["a URL", "postgres://application:Tr0ub4dor-and-3-more-words@db.host.io:5432/app", "Tr0ub4dor"],
    ["a token", `Here it is:${tokenOf("openai, project")} for you`, "T3Blbk"],
  ] as const) {
    test(`does not hold half of ${title}, now or after later changes`, async () => {
      const memory = memoryStore();
      const session = await createSessions({ store: around(memory) }).create({ id: "s" });
      await session.append(user(text));
      expect(session.label?.length).toBeGreaterThan(5);
      await session.setData({ a: 1 });
      await session.append(user("more"));
      expect(JSON.stringify(memory.snapshot())).not.toContain(part);
      const entries = await memory.read("s", { after: 0, limit: 100 });
      expect(evolveAll(undefined, entries)?.label).toBe((await memory.find(["s"]))[0]?.label);
    });
  }

  test("of a caller's own making neither", async () => {
    const memory = memoryStore();
    const autoLabel = (text: string) => `${text.slice(0, 25)}…`;
    const session = await createSessions({ store: around(memory), autoLabel }).create({ id: "s" });
    await session.append(user(`the card: ${card}`));
    await session.setData({ a: 1 });
    const [record] = await memory.find(["s"]);
    expect(record?.label).toBe("the card: [redacted:credit-card] …");
    expect(JSON.stringify(memory.snapshot())).not.toContain("4111");
  });
});

test("what was stored before is redacted by an import", async () => {
  const old = createSessions({ store: memoryStore() });
  const before = await old.create({ id: "s", metadata: { mail: MAIL } });
  await before.append(user(TEXT));
  const lines: string[] = [];
  for await (const line of old.export("s")) lines.push(line);
  expect(lines.join("")).toContain(MAIL);
  const memory = memoryStore();
  await createSessions({ store: around(memory) }).import(lines);
  expect(JSON.stringify(memory.snapshot())).toContain("for [redacted:github]");
  expect(JSON.stringify(memory.snapshot())).not.toContain(MAIL);
});

test("of two writers, who loses goes on from the stored record", async () => {
  const memory = memoryStore();
  const one = await createSessions({ store: around(memory, KEY) }).create({ id: "s" });
  const two = await createSessions({ store: around(memory, KEY) }).open("s");
  await one.setData({ a: MAIL });
  await two.setData({ b: GITHUB });
  await one.setData({ c: 1 });
  const [record] = await memory.find(["s"]);
  expect(Object.keys(record?.data ?? {})).toEqual(["a", "b", "c"]);
  expect(JSON.stringify(memory.snapshot())).not.toMatch(new RegExp(`${MAIL}|${GITHUB}`));
});

describe("raw storage", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-redacted-"));
  const server = await startPostgres();
  const pool = server && poolOf({ connectionString: server.url, max: 2 });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await pool?.end();
    await server?.stop();
  });

  async function fill(store: SessionStore): Promise<void> {
    const sessions = createSessions({ store });
    const session = await sessions.create({ label: TEXT, metadata: { mail: MAIL }, userId: "u" });
    await session.append([
      { role: "user", content: `needle ${TEXT}` },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "c", output: { a: GITHUB } }] },
    ]);
    await session.setData({ mail: MAIL });
    expect((await sessions.search("needle")).items).toHaveLength(1);
  }

  test("a SQLite file holds the words around a secret, and not the secret", async () => {
    const store = sqliteStore({ path: join(folder, "sessions.db") });
    await fill(around(store));
    const files = await readdir(folder);
    const raw = Buffer.concat(await Promise.all(files.map((name) => readFile(join(folder, name))))).toString(
      "latin1",
    );
    await store.close();
    expect(raw).toContain("needle ask [redacted:email] for [redacted:github]");
    expect(raw).not.toContain(GITHUB);
    expect(raw).not.toContain(MAIL);
  });

  test.skipIf(!pool && process.env.HOLDFAST_REQUIRE !== "all")("nor do the rows of PostgreSQL", async () => {
    if (!pool) throw new Error("no PostgreSQL");
    const store = postgresStore({ client: pool });
    await store.migrate();
    await fill(around(store));
    const tables = await pool.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let raw = "";
    for (const { tablename } of tables.rows) {
      const { rows } = await pool.query(`SELECT t::text AS row FROM "${tablename}" t`);
      raw += rows.map(({ row }: { row?: unknown }) => String(row)).join("\n");
    }
    expect(raw).toContain("needle");
    expect(raw).not.toContain(GITHUB);
    expect(raw).not.toContain(MAIL);
  });
});
