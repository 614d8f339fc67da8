/**
 * Row-level security by docs/stores/postgres-rls.sql: the store works under it, and no statement of a tenant's reaches
 * another tenant's rows, on the server and on connections that PgBouncer or a pool lends to one tenant after another.
 */
import { readFileSync } from "node:fs";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { rejects } from "../../src/store/conformance/assert.ts";
import { begin, commitOf, creation, note, outcomeOf, say } from "../../src/store/conformance/build.ts";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import { runConformance } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { startPgBouncer } from "../engines/pgbouncer.ts";
import { poolOf } from "../engines/pool.ts";
import { startPostgres } from "../engines/postgres-server.ts";
import { newSchema } from "./postgres-support.ts";

const SCRIPT = readFileSync(new URL("../../docs/stores/postgres-rls.sql", import.meta.url), "utf8");
const QUERY = { order: "updated", limit: 10 } as const;
const TENANTS = ["acme", "globex"] as const;
const USERS = { acme: "acme-password", globex: "globex-password", app: "app-password" };

const server = await startPostgres();
const bouncer = server && (await startPgBouncer(server, { poolSize: 1, users: USERS }));
if (server && bouncer) {
  const admin = poolOf({ connectionString: server.url, max: 2 });
  const poolAs = (user: keyof typeof USERS, url = bouncer.url): pg.Pool => {
    const target = new URL(url);
    target.username = user;
    target.password = USERS[user];
    const pool = poolOf({ connectionString: target.href, max: 2 });
    return pool;
  };
  const pools = { acme: poolAs("acme"), globex: poolAs("globex"), app: poolAs("app") };
  afterAll(async () => {
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
    await admin.end();
    await bouncer.stop();
    await server.stop();
  });

  await admin.query(
    `CREATE ROLE holdfast_tenant NOLOGIN;
     CREATE ROLE acme LOGIN PASSWORD '${USERS.acme}' IN ROLE holdfast_tenant;
     CREATE ROLE globex LOGIN PASSWORD '${USERS.globex}' IN ROLE holdfast_tenant;
     CREATE ROLE app LOGIN NOINHERIT PASSWORD '${USERS.app}';
     GRANT acme, globex TO app`,
  );

  /** A schema with the tables and the script's policies, the script run twice. */
  const newProtected = async (): Promise<string> => {
    const schema = newSchema();
    await postgresStore({ pool: admin, schema, watch: "poll" }).migrate();
    await admin.query(
      `SET search_path = "${schema}"; ${SCRIPT} ${SCRIPT}
       INSERT INTO holdfast_tenants (role, namespace) VALUES ('acme', 'acme'), ('globex', 'glob%20ex'); RESET search_path`,
    );
    return schema;
  };
  const storeOf = (tenant: (typeof TENANTS)[number], schema: string): SessionStore =>
    postgresStore({ pool: pools[tenant], schema, migrate: "manual" }).namespace(
      tenant === "acme" ? "acme" : "glob ex",
    );

  describe("the store works as a tenant, behind PgBouncer:", () => {
    const opened: SessionStore[] = [];
    let schema = "";
    const connect = (): SessionStore => {
      const store = storeOf("globex", schema);
      opened.push(store);
      return store;
    };
    const closeAll = async (): Promise<void> => {
      await Promise.all(opened.splice(0).map((store) => store.close()));
    };
    const harness: ConformanceHarness = {
      async open() {
        schema = await newProtected();
        return connect();
      },
      openSecond: async () => connect(),
      async restart() {
        await closeAll();
        return connect();
      },
      async destroy() {
        await closeAll();
        await admin.query(`SET client_min_messages = error; DROP SCHEMA "${schema}" CASCADE`);
      },
    };
    for (const only of ["commit/", "delete/", "list/", "search/", "watch/", "turns/"])
      runConformance(harness, { test, describe }, { only });
  });

  /** Two tenants with a session each of the same id; what is another's, in SQL. */
  const twoTenants = async () => {
    const schema = await newProtected();
    const [acme, globex] = [storeOf("acme", schema), storeOf("globex", schema)];
    const own = await begin(acme, { id: "s", label: "acme's" }, say("of acme", "m1"));
    const other = await begin(globex, { id: "s", label: "globex's" }, say("of globex", "m1"), note("secret"));
    onTestFinished(async () => {
      await acme.close();
      await globex.close();
    });
    const { rows } = await admin.query(
      `SELECT key FROM "${schema}".holdfast_sessions WHERE namespace = 'glob%20ex/'`,
    );
    return { schema, acme, globex, own, other, key: Number(rows[0]?.key) };
  };

  test("a tenant's store reaches nothing of another's, even where it asks for the other's namespace", async () => {
    const { schema, acme, own, globex, other } = await twoTenants();
    expect(await acme.find(["s"])).toEqual([own.record]);
    const trespasser = postgresStore({ pool: pools.acme, schema, migrate: "manual" }).namespace("glob ex");
    expect(await trespasser.find(["s"])).toEqual([undefined]);
    expect(await trespasser.read("s", { after: 0, limit: 10 })).toEqual([]);
    expect((await trespasser.list(QUERY)).items).toEqual([]);
    expect((await trespasser.search?.("globex", QUERY))?.items).toEqual([]);
    expect(await trespasser.remove("s")).toBe(false);
    expect(await outcomeOf(trespasser, other.next(say("x")))).toEqual({ status: "conflict" });
    for (const namespace of ["glob ex", "acme2", "ac"]) {
      const view = postgresStore({ pool: pools.acme, schema, migrate: "manual" }).namespace(namespace);
      const error = await rejects(
        () => view.commit([commitOf(undefined, [creation({ id: "new" })])]),
        "STORE_UNAVAILABLE",
        "a creation in another's namespace",
      );
      expect(error).toMatchObject({ retryable: false });
      expect(error.message).toMatch(/lacks a privilege: .*row-level security/);
    }
    await begin(acme.namespace("inner"), { id: "s" });
    expect(await globex.find(["s"])).toEqual([other.record]);
    expect(await globex.read("s", { after: 0, limit: 10 })).toEqual(other.entries);
  });

  test("no SQL of a tenant's reads or changes another's rows", async () => {
    const { schema, globex, other, key } = await twoTenants();
    /** What the last statement of `sql` answers, or the message of its error; undone afterwards. */
    const hostile = async (sql: string): Promise<unknown> => {
      const client = await pools.acme.connect();
      try {
        await client.query("BEGIN");
        await client.query(`SET LOCAL search_path = "${schema}"`);
        const result: unknown = await client.query(sql);
        const last: unknown = Array.isArray(result) ? result.at(-1) : result;
        return last instanceof pg.Result ? { rows: last.rows, count: last.rowCount } : last;
      } catch (error) {
        return String(error);
      } finally {
        await client.query("ROLLBACK");
        client.release();
      }
    };
    const denied = /permission denied|row-level security|must be|cannot|not allowed/;
    const none = { rows: [], count: 0 };
    const cases: readonly (readonly [string, unknown])[] = [
      [`SELECT * FROM holdfast_sessions WHERE key = ${key}`, none],
      [`SELECT * FROM holdfast_sessions WHERE namespace <> 'acme/'`, none],
      [`SELECT * FROM holdfast_entries WHERE session_key = ${key}`, none],
      [`SELECT * FROM holdfast_search WHERE session_key = ${key}`, none],
      [`SELECT * FROM holdfast_search_pending WHERE session_key = ${key}`, none],
      [`DELETE FROM holdfast_search_pending WHERE session_key = ${key}`, none],
      [`INSERT INTO holdfast_search_pending (session_key, seq) VALUES (${key}, 99)`, denied],
      [`SELECT * FROM holdfast_messages WHERE namespace <> 'acme/'`, none],
      [`SELECT * FROM holdfast_tenants WHERE role <> 'acme'`, none],
      [`SELECT 1 FROM holdfast_sessions WHERE 1 / (key - ${key}) > 5`, none],
      [`UPDATE holdfast_sessions SET record = '{}' WHERE key = ${key}`, none],
      [`DELETE FROM holdfast_sessions WHERE key = ${key}`, none],
      [`UPDATE holdfast_sessions SET namespace = 'glob%20ex/', id = 'planted'`, denied],
      [
        `INSERT INTO holdfast_entries (session_key, seq, at, type, data) VALUES (${key}, 99, 0, 'x', '{}')`,
        denied,
      ],
      [`INSERT INTO holdfast_search (session_key, seq, at, words) VALUES (${key}, 99, 0, '')`, denied],
      [`UPDATE holdfast_entries SET session_key = ${key}`, denied],
      [`DELETE FROM holdfast_entries`, denied],
      [`UPDATE holdfast_meta SET value = '99' WHERE key = 'schema_version'`, none],
      [`DELETE FROM holdfast_meta`, denied],
      [`INSERT INTO holdfast_tenants VALUES ('acme', 'glob%20ex')`, denied],
      [`SET LOCAL row_security = off; SELECT * FROM holdfast_sessions`, denied],
      [`SET LOCAL ROLE globex; SELECT * FROM holdfast_sessions`, denied],
      [`SET LOCAL SESSION AUTHORIZATION globex; SELECT * FROM holdfast_sessions`, denied],
      [`SET LOCAL ROLE holdfast_tenant; SELECT * FROM holdfast_sessions`, none],
      [`ALTER TABLE holdfast_sessions DISABLE ROW LEVEL SECURITY`, denied],
      [`DROP POLICY holdfast_own ON holdfast_sessions`, denied],
      [`CREATE FUNCTION holdfast_is_own(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'`, denied],
      [`TRUNCATE holdfast_sessions CASCADE`, denied],
      // Its own row.
      [`COPY holdfast_sessions TO STDOUT`, { rows: [], count: 1 }],
    ];
    for (const [sql, expected] of cases) {
      const answer = await hostile(sql);
      if (expected instanceof RegExp) expect(JSON.stringify(answer), sql).toMatch(expected);
      else expect(answer, sql).toEqual(expected);
    }
    expect(await globex.find(["s"])).toEqual([other.record]);
    expect(await globex.read("s", { after: 0, limit: 10 })).toEqual(other.entries);
  });

  test("one pool for all tenants leaks nothing from one to the next: a role for the time of a transaction", async () => {
    const { schema, own, other } = await twoTenants();
    /** Which tenants each connection of the server has served: PgBouncer may make it anew at any time. */
    const served = new Map<unknown, Set<string>>();
    /** As docs/stores/postgres.md has it. */
    const asTenant = (pool: pg.Pool, tenant: string) => ({
      async query(text: string, values?: unknown[]): Promise<unknown> {
        const client = await pool.connect();
        try {
          await client.query("BEGIN");
          const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
          const pid = rows[0]?.pid;
          served.set(pid, (served.get(pid) ?? new Set()).add(tenant));
          await client.query("SELECT set_config('role', $1, true)", [tenant]);
          const result = await client.query(text, values);
          await client.query("COMMIT");
          return result;
        } catch (error) {
          await client.query("ROLLBACK");
          throw error;
        } finally {
          client.release();
        }
      },
    });
    const storeAs = (tenant: string): SessionStore =>
      postgresStore({ client: asTenant(pools.app, tenant), schema, migrate: "manual" });
    const [acme, globex] = [storeAs("acme").namespace("acme"), storeAs("globex").namespace("glob ex")];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        own.write(say("more")).then(async () => expect(await acme.find(["s"])).toEqual([own.record])),
        globex.find(["s"]).then((found) => expect(found).toEqual([other.record])),
        expect(storeAs("acme").namespace("glob ex").find(["s"])).resolves.toEqual([undefined]),
        expect(pools.app.query(`SELECT * FROM "${schema}".holdfast_sessions`)).rejects.toThrow(
          /permission denied/,
        ),
      ]);
      await expect(
        outcomeOf(storeAs("globex").namespace("acme"), commitOf(undefined, [creation({ id: "n" })])),
      ).rejects.toThrow(/row-level security/);
    }
    expect([...served.values()].some((tenants) => tenants.size > 1)).toBe(true);
    expect((await pools.app.query("SELECT current_user AS user")).rows).toEqual([{ user: "app" }]);
  });
}
