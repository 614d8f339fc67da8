/** What a traced store records: names, attributes, nesting, failures, metrics; and what it never does. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Meter as ApiMeter, Tracer as ApiTracer } from "@opentelemetry/api";
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import type { Meter, Tracer } from "../../src/layers/otel.ts";
import { tracedStore } from "../../src/layers/otel.ts";
import { HoldfastError } from "../../src/log/errors.ts";
import { createSessions } from "../../src/session/sessions.ts";
import { begin, say } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import { refusalOf } from "../agent/support.ts";
import type { TestTelemetry } from "./traced-support.ts";
import { asyncContext, testTelemetry } from "./traced-support.ts";

const QUERY = { order: "updated", limit: 10 } as const;
const MODES = [
  ["made afterwards", false],
  ["active", true],
] as const;

let telemetry: TestTelemetry;
beforeEach(() => {
  telemetry = testTelemetry();
});
afterEach(() => context.disable());

/** A store whose every call fails. */
function down(error: unknown): SessionStore {
  const fails = async (): Promise<never> => {
    throw error;
  };
  return { ...memoryStore(), commit: fails, find: fails, read: fails, list: fails };
}

for (const [title, activeSpans] of MODES) {
  describe(`spans, ${title}`, () => {
    const traced = (store: SessionStore = memoryStore()): SessionStore =>
      tracedStore(store, { ...telemetry, activeSpans });

    test("each operation is a span of a client, with counts and nothing else", async () => {
      const store = traced(sqliteStore({ path: ":memory:" }));
      await store.migrate();
      const session = await begin(store, { id: "s" }, say("first"), say("second"));
      await store.find(["s", "none"]);
      await store.read("s", { after: 0, limit: 10 });
      await store.list(QUERY);
      await store.search?.("first", QUERY);
      await store.ping();
      await session.write(say("a"));
      await store.sweep?.(Date.now(), 10);
      for await (const _ of store.inspect?.() ?? []);
      await store.remove("s");
      await store.close();
      const found = telemetry.spans().map(({ name, attributes, kind, status }) => {
        expect(kind).toBe(SpanKind.CLIENT);
        expect(status.code).toBe(SpanStatusCode.UNSET);
        const { "db.system.name": system, "db.operation.name": operation, ...rest } = attributes;
        expect([system, `holdfast.${operation}`]).toEqual(["sqlite", name]);
        return [name, rest];
      });
      const rows = "db.response.returned_rows";
      expect(new Map(found.map(([name, rest]) => [String(name), rest]))).toEqual(
        new Map<string, object>([
          ["holdfast.migrate", {}],
          ["holdfast.commit", { "holdfast.entries": 1 }],
          ["holdfast.find", { [rows]: 1 }],
          ["holdfast.read", { [rows]: 3 }],
          ["holdfast.list", { [rows]: 1 }],
          ["holdfast.search", { [rows]: 1 }],
          ["holdfast.ping", {}],
          ["holdfast.sweep", { [rows]: 0 }],
          ["holdfast.inspect", { [rows]: 0 }],
          ["holdfast.remove", {}],
          ["holdfast.close", {}],
        ]),
      );
    });

    test("a batch says how many commits, conflicts and duplicates it had", async () => {
      const store = traced();
      const one = await begin(store, { id: "one" }, say("x", "known"));
      const two = await begin(store, { id: "two" });
      const late = two.next(say("late"));
      await two.write(say("first"));
      await store.commit([one.next(say("x", "known")), late, one.next(say("new"), say("newer"))]);
      await store.close();
      expect(telemetry.span("holdfast.commit").attributes).toEqual({
        "db.system.name": "memory",
        "db.operation.name": "BATCH commit",
        "db.operation.batch.size": 3,
        "holdfast.entries": 4,
        "holdfast.conflicts": 1,
        "holdfast.duplicates": 1,
      });
    });

    test("it is the child of the span that is active in its caller, and lasts as long as the operation", async () => {
      const store = traced();
      const caller = telemetry.tracer.startSpan("caller");
      const session = await begin(store, { id: "s" });
      await context.with(trace.setSpan(ROOT_CONTEXT, caller), async () => {
        await session.write(say("a"));
        await store.find(["s"]);
      });
      caller.end();
      await store.close();
      const [creation, write] = telemetry.spans().filter(({ name }) => name === "holdfast.commit");
      expect(creation?.parentSpanContext).toBeUndefined();
      const { spanId, traceId } = caller.spanContext();
      for (const span of [write, telemetry.span("holdfast.find")])
        expect(span?.parentSpanContext).toMatchObject({ spanId, traceId });
      const whole = telemetry.span("caller");
      const at = ([seconds, nanoseconds]: readonly [number, number]): number =>
        seconds * 1e3 + nanoseconds / 1e6;
      expect(at(write?.startTime ?? [0, 0])).toBeGreaterThanOrEqual(at(whole.startTime) - 2);
      expect(at(write?.endTime ?? [0, 0])).toBeLessThanOrEqual(at(whole.endTime) + 2);
      expect(at(write?.duration ?? [0, 0])).toBeGreaterThan(0);
    });

    test("work that outlives the span it was begun in gets a trace of its own, linked to that", async () => {
      const store = traced();
      const caller = telemetry.tracer.startSpan("caller");
      caller.end();
      await context.with(trace.setSpan(ROOT_CONTEXT, caller), () => store.find(["s"]));
      await store.close();
      const { links, parentSpanContext, spanContext } = telemetry.span("holdfast.find");
      expect(parentSpanContext).toBeUndefined();
      expect(spanContext.call(telemetry.span("holdfast.find")).traceId).not.toBe(
        caller.spanContext().traceId,
      );
      expect(links.map((link) => link.context.spanId)).toEqual([caller.spanContext().spanId]);
    });

    test("a failure is told by its code, without its message", async () => {
      const error = new HoldfastError("STORE_UNAVAILABLE", "session s-17 of alice is out of reach");
      const store = traced(down(error));
      expect(await refusalOf(store.find(["s-17"]), "STORE_UNAVAILABLE")).toBe(error);
      const other = traced(down(new TypeError("alice")));
      await expect(other.find(["s-17"])).rejects.toThrow(TypeError);
      await store.close();
      await other.close();
      const failed = telemetry.spans().filter(({ name }) => name === "holdfast.find");
      expect(failed.map(({ attributes }) => attributes["error.type"])).toEqual([
        "STORE_UNAVAILABLE",
        "TypeError",
      ]);
      for (const { status, events } of failed) {
        expect(status).toEqual({ code: SpanStatusCode.ERROR });
        expect(events).toEqual([]);
      }
      const points = await telemetry.points("holdfast.store.duration");
      expect(points.map(({ attributes }) => attributes["error.type"])).toEqual(
        expect.arrayContaining(["STORE_UNAVAILABLE", "TypeError"]),
      );
    });

    test("nothing of what is stored gets into a span or a metric, nor names of sessions unless asked", async () => {
      const secrets = [
        "SECRET-text",
        "SECRET-data",
        "SECRET-label",
        "SECRET-user",
        "SECRET-id",
        "SECRET-space",
      ];
      const run = async (recordIds: boolean): Promise<string> => {
        telemetry = testTelemetry();
        const store = tracedStore(memoryStore(), { ...telemetry, activeSpans, recordIds });
        const sessions = createSessions({ store: store.namespace("SECRET-space") });
        const session = await sessions.create({
          id: "SECRET-id",
          userId: "SECRET-user",
          label: "SECRET-label",
        });
        await session.append({ role: "user", content: "SECRET-text" });
        await session.setData({ key: "SECRET-data" });
        await sessions.search("SECRET-text");
        await sessions.list({ userId: "SECRET-user", label: "SECRET-label" });
        await session
          .append({ role: "user", content: "SECRET-text" }, { expectedVersion: 1 })
          .catch(() => undefined);
        const fork = await sessions.fork("SECRET-id");
        await sessions.delete(fork.id);
        await sessions.close();
        await store.close();
        const spans = telemetry.spans();
        expect(spans.length).toBeGreaterThan(8);
        const told = spans.map(({ name, attributes, events, links, status }) => ({
          name,
          attributes,
          events,
          links,
          status,
        }));
        return JSON.stringify([told, await telemetry.metrics()]);
      };
      const told = await run(false);
      for (const secret of secrets) expect(told).not.toContain(secret);
      const named = await run(true);
      expect(secrets.filter((secret) => named.includes(secret))).toEqual(["SECRET-id", "SECRET-space"]);
      expect(JSON.stringify(await telemetry.metrics())).not.toContain("SECRET");
    });

    test("a tracer, a meter or an exporter that throws changes nothing, and is told once", async () => {
      const warnings: Error[] = [];
      const listen = (warning: Error): void => void warnings.push(warning);
      process.on("warning", listen);
      const broken = (): never => {
        throw new Error("telemetry is broken");
      };
      const throwing: SpanExporter = { export: broken, shutdown: async () => undefined };
      const span = telemetry.tracer.startSpan("x");
      const twice = {
        startSpan: broken,
        startActiveSpan: (_: string, __: object, work: (given: typeof span) => void) => {
          work(span);
          work(span);
          broken();
        },
      };
      const meter = { createHistogram: broken, createCounter: broken, createUpDownCounter: broken };
      for (const bad of [
        { tracer: { startSpan: broken, startActiveSpan: broken }, meter },
        { tracer: twice, meter },
        {
          tracer: {
            startSpan: () => ({
              ...span,
              end: broken,
              isRecording: broken,
              setAttribute: broken,
              setStatus: broken,
              spanContext: broken,
            }),
            startActiveSpan: () => undefined,
          },
          meter,
        },
        testTelemetry(throwing),
      ]) {
        let commits = 0;
        const memory = memoryStore();
        const store = tracedStore(
          {
            ...memory,
            commit: (batch) => {
              commits += 1;
              return memory.commit(batch);
            },
          },
          { ...bad, activeSpans },
        );
        const session = await begin(store, { id: "s" });
        await session.write(say("a"));
        expect(commits).toBe(2);
        expect((await store.read("s", { after: 0, limit: 10 })).length).toBe(2);
        await expect(
          tracedStore(down(new TypeError("x")), { ...bad, activeSpans }).find(["s"]),
        ).rejects.toThrow(TypeError);
        for await (const _ of store.inspect?.() ?? []);
        await store.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 80));
      process.off("warning", listen);
      const told = warnings.filter(({ message }) => message.startsWith("tracedStore could not record"));
      expect(told.length).toBeGreaterThanOrEqual(3);
      expect(told.length).toBeLessThanOrEqual(8);
    });
  });
}

describe("active spans", () => {
  test("are there for what the store does in them", async () => {
    for (const activeSpans of [true, false]) {
      const memory = memoryStore();
      const inner: SessionStore = {
        ...memory,
        async find(ids) {
          telemetry.tracer.startSpan("driver").end();
          return memory.find(ids);
        },
      };
      telemetry.reset();
      const store = tracedStore(inner, { ...telemetry, activeSpans });
      await store.find([]);
      await store.close();
      const find = telemetry.span("holdfast.find");
      const parent = telemetry.span("driver").parentSpanContext?.spanId;
      expect(parent).toBe(activeSpans ? find.spanContext().spanId : undefined);
    }
  });
});

describe("spans that are made afterwards", () => {
  test("are there without a close within a moment, and at once where many wait", async () => {
    const store = tracedStore(memoryStore(), telemetry);
    for (let count = 0; count < 256; count += 1) await store.find([]);
    expect(telemetry.spans().length).toBe(256);
    await store.find([]);
    expect(telemetry.spans().length).toBe(256);
    await expect.poll(() => telemetry.spans().length, { timeout: 2000 }).toBe(257);
  });
});

test("what a store throws at once is a rejection, and a span that failed", async () => {
  const find = (): never => {
    throw new TypeError("no promise");
  };
  const store = tracedStore({ ...memoryStore(), find }, telemetry);
  await expect(store.find([])).rejects.toThrow("no promise");
  await store.close();
  expect(telemetry.span("holdfast.find").attributes["error.type"]).toBe("TypeError");
});

describe("a watch", () => {
  test("is one span from first to last, of its own trace, linked to its caller; open ones are counted", async () => {
    const memory = memoryStore();
    async function* watch(id: string, after: number, signal: AbortSignal) {
      for (let seq = after; !signal.aborted; seq += 1) yield* await memory.read(id, { after: seq, limit: 1 });
    }
    const store = tracedStore({ ...memory, watch }, telemetry);
    const session = await begin(store, { id: "s" }, say("a"));
    const caller = telemetry.tracer.startSpan("caller");
    const stop = new AbortController();
    const seen: number[] = [];
    await context.with(trace.setSpan(ROOT_CONTEXT, caller), async () => {
      for await (const { seq } of store.watch?.("s", 0, stop.signal) ?? []) {
        seen.push(seq);
        if (seq === 2) {
          expect((await telemetry.points("holdfast.store.watches")).map(({ value }) => value)).toEqual([1]);
          await session.write(say("b"));
        }
        if (seq === 3) stop.abort();
      }
    });
    expect(seen).toEqual([1, 2, 3]);
    const { attributes, links, parentSpanContext } = telemetry.span("holdfast.watch");
    expect(attributes["db.response.returned_rows"]).toBe(3);
    expect(parentSpanContext).toBeUndefined();
    expect(links.map((link) => link.context.spanId)).toEqual([caller.spanContext().spanId]);
    expect((await telemetry.points("holdfast.store.watches")).map(({ value }) => value)).toEqual([0]);
    await store.close();
  });
});

describe("metrics", () => {
  test("durations by operation, sizes of batches and reads, conflicts and duplicates", async () => {
    const store = tracedStore(memoryStore(), telemetry);
    const one = await begin(store, { id: "one" }, say("x", "known"));
    const two = await begin(store, { id: "two" });
    const late = two.next(say("late"));
    await two.write(say("first"));
    await store.commit([one.next(say("x", "known")), late]);
    await store.read("two", { after: 0, limit: 10 });
    await store.close();
    const of = (operation: string) => ({ "db.system.name": "memory", "holdfast.operation": operation });
    const durations = await telemetry.points("holdfast.store.duration");
    expect(durations.map(({ attributes }) => attributes)).toEqual([of("commit"), of("read"), of("close")]);
    expect(durations[0]?.value).toMatchObject({ count: 4 });
    expect(await telemetry.points("holdfast.store.batch.size")).toMatchObject([
      { attributes: of("commit"), value: { count: 1, sum: 2, max: 2 } },
    ]);
    expect(await telemetry.points("holdfast.store.returned")).toMatchObject([
      { attributes: of("read"), value: { count: 1, sum: 2 } },
    ]);
    for (const name of ["holdfast.store.conflicts", "holdfast.store.duplicates"])
      expect(await telemetry.points(name)).toMatchObject([{ attributes: of("commit"), value: 1 }]);
    const duration = (await telemetry.metrics()).find(
      ({ descriptor }) => descriptor.name === "holdfast.store.duration",
    );
    expect(duration?.descriptor).toMatchObject({
      unit: "s",
      advice: { explicitBucketBoundaries: expect.arrayContaining([0.0001, 10]) },
    });
  });

  test("conflicts between two sessions objects at work on one session are counted", async () => {
    const memory = memoryStore();
    const store = tracedStore(memory, telemetry);
    const mine = await createSessions({ store }).create({ id: "s" });
    const other = await createSessions({ store: memory }).open("s");
    await other.append({ role: "user", content: "theirs" });
    await mine.append({ role: "user", content: "mine" });
    await store.close();
    expect(await telemetry.points("holdfast.store.conflicts")).toMatchObject([{ value: 1 }]);
  });

  test("the layers below are named, so that two traced stores in one stack are told apart", async () => {
    const inner = tracedStore(memoryStore(), telemetry);
    const outer = tracedStore(inner, telemetry);
    await outer.find([]);
    await outer.close();
    const layers = (await telemetry.points("holdfast.store.duration"))
      .filter(({ attributes }) => attributes["holdfast.operation"] === "find")
      .map(({ attributes }) => attributes["holdfast.store.layers"]);
    expect(layers.sort()).toEqual(["traced", undefined]);
  });
});

describe("degraded time", () => {
  test("is counted while it lasts, once for all namespaces, and ends with recovery or close", async () => {
    const listeners = new Set<Parameters<NonNullable<SessionStore["onHealth"]>>[0]>();
    const memory = memoryStore();
    const withHealth = (store: SessionStore): SessionStore => ({
      ...store,
      namespace: (name) => withHealth(store.namespace(name)),
      onHealth(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    });
    const store = tracedStore(withHealth(memory), telemetry);
    const space = store.namespace("a");
    await space.find([]);
    const say = (state: "degraded" | "recovered"): void => {
      for (const listener of listeners) listener({ state });
    };
    const value = async (name: string) => (await telemetry.points(name))[0]?.value;
    const seconds = async (): Promise<number> => Number(await value("holdfast.store.degraded.time"));
    say("degraded");
    say("degraded");
    expect(await value("holdfast.store.degraded")).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    await space.find([]);
    const during = await seconds();
    expect(during).toBeGreaterThan(0.05);
    expect(during).toBeLessThan(5);
    say("recovered");
    const after = await seconds();
    await new Promise((resolve) => setTimeout(resolve, 30));
    await store.find([]);
    expect(await seconds()).toBe(after);
    expect(await value("holdfast.store.degraded")).toBe(0);
    say("degraded");
    await store.close();
    expect(await value("holdfast.store.degraded")).toBe(0);
    expect(await seconds()).toBeGreaterThan(after);
    expect(listeners.size).toBe(0);
    const marks = telemetry.spans().map(({ name, attributes }) => [name, attributes["holdfast.degraded"]]);
    expect(marks).toEqual([
      ["holdfast.find", undefined],
      ["holdfast.find", true],
      ["holdfast.find", undefined],
      ["holdfast.close", undefined],
    ]);
  });
});

test("a tracer and a meter of OpenTelemetry's API are what is asked for", () => {
  expectTypeOf<ApiTracer>().toExtend<Tracer>();
  expectTypeOf<ApiMeter>().toExtend<Meter>();
});

describe("without an SDK", () => {
  test("a store works as it is, and what is registered by the first operation is used", async () => {
    const plain = tracedStore(memoryStore());
    await begin(plain, { id: "s" });
    await plain.close();
    const late = tracedStore(memoryStore());
    trace.setGlobalTracerProvider({ getTracer: () => telemetry.tracer });
    context.setGlobalContextManager(asyncContext());
    await late.find([]);
    await late.close();
    trace.disable();
    expect(telemetry.spans().map(({ name }) => name)).toEqual(["holdfast.find", "holdfast.close"]);
  });
});

describe("without the package @opentelemetry/api", () => {
  /** Runs `code` in a process that can't find the package. */
  async function withoutPackage(code: string): Promise<unknown> {
    const source = JSON.stringify(new URL("../../src/", import.meta.url).href);
    const script = `
      import { registerHooks } from "node:module";
      registerHooks({
        resolve(name, from, next) {
          if (name.startsWith("@opentelemetry")) throw new Error("no " + name);
          return next(name, from);
        },
      });
      const { tracedStore } = await import(${source} + "layers/otel.ts");
      const { memoryStore } = await import(${source} + "stores/memory.ts");
      ${code}`;
    const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, flags);
    return JSON.parse(stdout);
  }

  test("each operation says what is missing", async () => {
    const told = await withoutPackage(`
      const store = tracedStore(memoryStore());
      const failures = [];
      for (let time = 0; time < 2; time += 1)
        await store.find(["s"]).catch(({ code, message }) => failures.push([code, message]));
      console.log(JSON.stringify(failures));`);
    const missing = expect.stringMatching(/^tracedStore needs the package @opentelemetry\/api, or both/);
    expect(told).toEqual([
      ["INVALID_ARGUMENT", missing],
      ["INVALID_ARGUMENT", missing],
    ]);
  });

  test("a tracer and a meter that are passed are enough", async () => {
    const told = await withoutPackage(`
      const names = [];
      const span = { end() {}, isRecording: () => true, setAttribute() {}, setStatus() {}, spanContext: () => ({}) };
      const tracer = { startSpan(name) { names.push(name); return span; }, startActiveSpan() {} };
      const record = () => names.push("record");
      const made = () => ({ add: record, record });
      const meter = { createHistogram: made, createCounter: made, createUpDownCounter: made };
      const store = tracedStore(memoryStore(), { tracer, meter });
      await store.ping();
      await store.close();
      console.log(JSON.stringify(names));`);
    expect(told).toEqual(["holdfast.ping", "holdfast.close", "record", "record"]);
  });
});
