/**
 * Collected data: schemas, versions, routes and steps.
 */
import { type as arktype } from "arktype";
import * as v from "valibot";
import { expect } from "vitest";
import { z } from "zod";
import type { DataSchema } from "../../src/session/data.ts";
import { collect, onStores, ownLog, refusal, sleep, user } from "./support.ts";

interface Trip {
  from: string;
  seats: number;
  notes?: string | undefined;
}

const SCHEMAS: Readonly<Record<string, DataSchema<Trip>>> = {
  zod: z.object({ from: z.string().min(2), seats: z.number().int(), notes: z.string().optional() }),
  valibot: v.object({
    from: v.pipe(v.string(), v.minLength(2)),
    seats: v.pipe(v.number(), v.integer()),
    notes: v.optional(v.string()),
  }),
  arktype: arktype({ from: "string >= 2", seats: "number.integer", "notes?": "string" }),
};

for (const [name, schema] of Object.entries(SCHEMAS)) {
  onStores(`${name}: data may be partial, and what is there must be right`, async ({ sessions, store }) => {
    const all = sessions({ data: schema });
    const session = await all.create({ id: "s", data: { from: "Bern" } });
    await session.setData({ seats: 2 });
    expect(session.data).toEqual({ from: "Bern", seats: 2 });
    await session.replaceData({ seats: 3 });
    await session.clearData();
    await session.setData({ from: "Rome", notes: "window" });
    const before = await ownLog(store, "s");
    const wrong = JSON.parse('[{"seats":"two"},{"from":"x"},{"notes":5},{"seats":1.5}]');
    for (const data of wrong) {
      const [key = ""] = Object.keys(data);
      const error = await refusal(session.setData(data), "INVALID_DATA");
      expect(error.message).toContain(`${key}: `);
      expect(error.sessionId).toBe("s");
      await refusal(session.replaceData(data), "INVALID_DATA");
      await refusal(all.create({ id: "t", data }), "INVALID_DATA");
    }
    expect(await ownLog(store, "s")).toEqual(before);
    expect(await all.find("t")).toBeUndefined();
    expect(session.data).toEqual({ from: "Rome", notes: "window" });
    const typed: Partial<Trip> = session.data;
    expect(typed.seats).toBeUndefined();
  });
}

onStores(
  "a patch is checked against what another writer made of the data",
  async ({ sessions, elsewhere }) => {
    const schema = z
      .object({ low: z.number(), high: z.number() })
      .refine(({ low, high }) => low <= high, "low must not be over high");
    const here = await sessions({ data: schema }).create({ id: "s", data: { low: 1, high: 9 } });
    const there = await elsewhere({ data: schema }).open("s");
    await there.setData({ high: 3 });
    await refusal(here.setData({ low: 5 }), "INVALID_DATA");
    expect((await here.refresh()).data).toEqual({ low: 1, high: 3 });
  },
);

onStores("a schema may answer later", async ({ sessions }) => {
  const schema = z.object({
    name: z.string().refine(async (text) => {
      await sleep(2);
      return text !== "taken";
    }, "is taken"),
  });
  const session = await sessions({ data: schema }).create();
  await Promise.all([session.setData({ name: "free" }), session.append(user("meanwhile"))]);
  await refusal(session.setData({ name: "taken" }), "INVALID_DATA");
  expect(session.data).toEqual({ name: "free" });
});

onStores(
  "data of an earlier version is migrated once, whoever opens it first",
  async ({ sessions, elsewhere, store }) => {
    const old = await sessions().create({ id: "s", data: { name: "Ada Lovelace", deep: { list: [1] } } });
    await old.append(user("hello"));
    const calls: number[] = [];
    const options = {
      dataVersion: 3,
      data: z.object({ first: z.string(), last: z.string() }),
      async migrateData(data: Record<string, unknown>, from: number) {
        calls.push(from);
        // What is given is the callback's own to change.
        const { deep } = data;
        if (typeof deep === "object" && deep !== null && "list" in deep && Array.isArray(deep.list))
          deep.list.push(2);
        await sleep(2);
        const [first = "", last = ""] = String(data["name"]).split(" ");
        return { first, last };
      },
    };
    const handles = await Promise.all([
      sessions(options).open("s"),
      elsewhere(options).open("s"),
      sessions(options).open("s"),
      elsewhere({ ...options, autoSave: false }).open("s"),
    ]);
    for (const handle of handles) {
      expect(handle.data).toEqual({ first: "Ada", last: "Lovelace" });
      expect(handle.record.dataVersion).toBe(3);
      expect(handle.pending).toBe(0);
    }
    expect(new Set(calls)).toEqual(new Set([1]));
    const log = await ownLog(store, "s");
    expect(
      log.filter(
        ({ type, data }) => type === "data.replaced" && JSON.stringify(data).includes('"dataVersion":3'),
      ),
    ).toHaveLength(1);
    const { version } = await handles[0].refresh();
    calls.length = 0;
    expect((await sessions(options).open("s")).record.version).toBe(version);
    expect(calls).toEqual([]);
  },
);

onStores("data that can't be migrated is not opened, and stays as it is", async ({ sessions, store }) => {
  await sessions({ dataVersion: 2 }).create({ id: "s", data: { a: 1 } });
  const before = await ownLog(store, "s");
  const newer = await refusal(sessions({ dataVersion: 1 }).open("s"), "MIGRATION_REQUIRED");
  expect(newer.message).toContain("version 2");
  await refusal(sessions({ dataVersion: 3 }).open("s"), "MIGRATION_REQUIRED");
  const failing = {
    dataVersion: 3,
    data: z.object({ a: z.string() }),
    migrateData: () => JSON.parse('{"a":1}'),
  };
  await refusal(sessions(failing).open("s"), "INVALID_DATA");
  await refusal(
    sessions({ dataVersion: 3, migrateData: () => JSON.parse("null") }).open("s"),
    "INVALID_ARGUMENT",
  );
  expect(await ownLog(store, "s")).toEqual(before);
});

onStores("a fork or rewind to before a migration has its data in the new shape", async ({ sessions }) => {
  const old = await sessions().create({ id: "s", label: "l", data: { count: "1" } });
  const { seq } = await old.append(user("a"));
  const options = {
    dataVersion: 2,
    migrateData: (data: Record<string, unknown>) => ({ count: Number(data["count"]) }),
  };
  const all = sessions(options);
  const session = await all.open("s");
  await session.setData({ count: 5 });
  const fork = await session.fork({ at: seq });
  expect([fork.data, fork.record.dataVersion]).toEqual([{ count: 1 }, 2]);
  await session.rewind(seq);
  expect([session.data, session.record.dataVersion]).toEqual([{ count: 1 }, 2]);
  // A session that nobody opened in this version is forked as it is, and migrated then.
  await sessions().create({ id: "t", data: { count: "7" } });
  const direct = await all.fork("t");
  expect([direct.data, direct.record.dataVersion]).toEqual([{ count: 7 }, 2]);
});

onStores("data of a route is kept beside it", async ({ sessions, elsewhere }) => {
  const session = await sessions().create({ id: "s" });
  await session.setData({ from: "Bern" }, { route: "booking" });
  await session.setData({ stars: 3 }, { route: "hotel" });
  await session.setData({ to: "Rome" }, { route: "booking" });
  await session.setData({ free: true });
  await session.setData({ odd: 1 }, { route: "__proto__" });
  const { data, dataByRoute } = (await elsewhere().open("s")).record;
  expect(data).toEqual({ from: "Bern", stars: 3, to: "Rome", free: true, odd: 1 });
  expect(Object.entries(dataByRoute)).toEqual([
    ["booking", { from: "Bern", to: "Rome" }],
    ["hotel", { stars: 3 }],
    ["__proto__", { odd: 1 }],
  ]);
  await session.clearData();
  expect(session.record).toMatchObject({ data: {}, dataByRoute: {} });
});

onStores(
  "routes and steps are entered and completed, and stay completed when opened again",
  async ({ sessions, elsewhere }) => {
    const session = await sessions().create({ id: "s" });
    await session.enterRoute({ id: "booking", title: "Book a flight" }, { id: "where" });
    expect(session.record).toMatchObject({
      route: { id: "booking", title: "Book a flight" },
      step: { id: "where" },
    });
    await session.enterStep({ id: "when" });
    expect(session.record.step).toEqual({ id: "when" });
    await session.completeRoute();
    const opened = await elsewhere().open("s");
    expect(opened.record).not.toHaveProperty("route");
    expect(opened.record).not.toHaveProperty("step");
    expect(opened.record.routeHistory).toMatchObject([
      { route: "booking", title: "Book a flight", completedAt: expect.any(Number) },
    ]);
    const { version } = await session.refresh();
    await session.completeRoute("booking");
    expect(session.record.version).toBe(version);
    await session.enterRoute({ id: "hotel" });
    expect(session.record.routeHistory).toHaveLength(2);
    expect(session.record.routeHistory[1]).not.toHaveProperty("completedAt");
    expect(await collect(session.entries({ types: ["route.completed"] }))).toHaveLength(1);
  },
);
