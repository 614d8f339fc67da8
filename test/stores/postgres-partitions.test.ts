/** The script that splits the entries of PostgreSQL into partitions: everything works on them as on one table. */
import { readFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { expect, test } from "vitest";
import { createSessions } from "../../src/session/sessions.ts";
import { postgresStore } from "../../src/stores/postgres.ts";

const SCRIPT = new URL("../../docs/stores/postgres-partitions.sql", import.meta.url);
const user = (content: string) => ({ role: "user" as const, content });

async function partitioned(): Promise<PGlite> {
  const client = await PGlite.create();
  await postgresStore({ client }).migrate();
  await client.exec(await readFile(SCRIPT, "utf8"));
  return client;
}

test("sessions are written, forked, found, changed and removed", async () => {
  const client = await partitioned();
  const store = postgresStore({ client });
  expect((await store.migrate()).steps).toEqual([]);
  const sessions = createSessions({ store });
  const all = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      sessions.create({ id: `s-${index}`, messages: [user(`parcel ${index}`)] }),
    ),
  );
  await Promise.all(all.map((session) => session.append([user("one more"), user("and another")])));
  const [first] = all;
  await first?.append(user("by its id"), { ids: ["m-1"] });
  await first?.append(user("by its id"), { ids: ["m-1"] });
  const fork = await sessions.fork("s-0", { at: 3 });
  expect((await fork.messages()).length).toBe(2);
  expect((await first?.messages())?.map(({ content }) => content)).toEqual([
    "parcel 0",
    "one more",
    "and another",
    "by its id",
  ]);
  expect((await sessions.search("parcel", { limit: 100 })).items).toHaveLength(40);
  await sessions.erase("s-1");

  const { rows } = await client.query<{ part: string }>(
    "SELECT DISTINCT tableoid::regclass::text AS part FROM holdfast_entries",
  );
  expect(rows.length).toBeGreaterThan(8);
  const { rows: left } = await client.query("SELECT FROM holdfast_messages WHERE session = 's-1'");
  expect(left).toEqual([]);
  await sessions.close();
  await client.close();
});

test("what holds sessions already is refused, and nothing is changed", async () => {
  const client = await PGlite.create();
  const sessions = createSessions({ store: postgresStore({ client }) });
  await sessions.create({ id: "s", messages: [user("here")] });
  await expect(client.exec(await readFile(SCRIPT, "utf8"))).rejects.toThrow(/holds entries already/);
  expect(await (await sessions.open("s")).messages()).toEqual([user("here")]);
  await sessions.close();
  await client.close();
});
