/**
 * Statements that a connection of a Pool keeps under a name, and what happens where the name is lost, as it is behind a
 * pooler: the statement is run once all the same.
 */
import { afterAll, expect, onTestFinished, test } from "vitest";
import { begin, say } from "../../src/store/conformance/build.ts";
import { createKeeping } from "../../src/stores/postgres/kept.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { newSchema } from "./postgres-support.ts";

const plain = async (): Promise<string> => "plain";

test("a name tells its text, there are no more than 32, and each is planned anew as tables grow", async () => {
  const keeping = createKeeping();
  const named = (text: string): Promise<string> => keeping(text, async (name) => name, plain);
  const name = await named("SELECT 1");
  expect(name).toMatch(/^holdfast_[\w-]{22}_0$/);
  expect(await named("SELECT 1")).toBe(name);
  const others = await Promise.all(Array.from({ length: 40 }, (_, index) => named(`SELECT ${index + 2}`)));
  expect(new Set([name, ...others]).size).toBe(33);
  expect(others.filter((other) => other === "plain")).toHaveLength(9);
  const later: string[] = [];
  for (let count = 0; count < 20_000; count += 1) later.push(await named("SELECT 1"));
  expect([...new Set(later)]).toEqual([0, 1, 2, 3].map((times) => name.replace(/0$/, String(times))));
  expect(await createKeeping()("SELECT 1", async (other) => other, plain)).toBe(name);
});

test("a name that is lost is not used again, and another error is none of its business", async () => {
  for (const code of ["26000", "42P05", "0A000"]) {
    const keeping = createKeeping();
    const lose = (): Promise<string> => Promise.reject(Object.assign(new Error("lost"), { code }));
    expect(await keeping("SELECT 1", lose, plain)).toBe("plain");
    expect(await keeping("SELECT 1", async (name) => name, plain)).toBe("plain");
  }
  const keeping = createKeeping();
  const error = Object.assign(new Error("of the statement"), { code: "23505" });
  await expect(keeping("SELECT 1", () => Promise.reject(error), plain)).rejects.toBe(error);
  expect(await keeping("SELECT 1", async (name) => name, plain)).toMatch(/^holdfast_/);
});

const server = await startPostgres();
if (server) {
  const { url } = server;
  afterAll(() => server.stop());
  const PREPARED = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'holdfast%' ORDER BY name";

  const single = () => {
    const pool = poolOf({ connectionString: url, max: 1 });
    onTestFinished(() => pool.end());
    const names = async (): Promise<string[]> =>
      (await pool.query<{ name: string }>(PREPARED)).rows.map(({ name }) => name);
    return { pool, names };
  };

  test("commits and reads of a Pool are kept, a few of them, and go on where they are dropped", async () => {
    const { pool, names } = single();
    const store = postgresStore({ pool, schema: newSchema() });
    const session = await begin(store, { id: "a" });
    for (let count = 0; count < 10; count += 1) {
      await session.write(say(`${count}`));
      await store.find(["a"]);
      await store.read("a", { after: 0, limit: count + 1 });
    }
    expect((await names()).length).toBe(4);
    await pool.query("DEALLOCATE ALL");
    for (let count = 0; count < 3; count += 1) await session.write(say("on"));
    expect(await store.find(["a"])).toEqual([session.record]);
    expect(await store.read("a", { after: 0, limit: 99 })).toEqual(session.entries);
    expect(await names()).toEqual([]);
  });

  test("a connection that has the name already, of anything, is no obstacle", async () => {
    const schema = newSchema();
    const first = single();
    const session = await begin(postgresStore({ pool: first.pool, schema }), { id: "a" });
    const second = single();
    await second.pool.query("DEALLOCATE ALL");
    for (const name of await first.names()) await second.pool.query(`PREPARE "${name}" AS SELECT 1`);
    const store = postgresStore({ pool: second.pool, schema });
    await session.write(say("one"));
    expect(await store.commit([session.next(say("two"))])).toEqual([{ status: "committed" }]);
    const other = await begin(store, { id: "b" }, say("three"));
    expect(await store.read("b", { after: 0, limit: 9 })).toEqual(other.entries);
  });
}
