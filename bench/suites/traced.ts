/**
 * @module
 * What tracing costs: appends to a traced store beside appends to the same store without, with a whole SDK behind it (spans
 * in batches to an exporter that drops them, and metrics), and with none registered.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Context, ContextManager } from "@opentelemetry/api";
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { SessionStore } from "../../src/index.ts";
import { tracedStore } from "../../src/layers/otel.ts";
import type { Part } from "../measure.ts";
import { each, interleave, part, ratio } from "../measure.ts";
import type { Bench, Row, Suite } from "../rows.ts";
import { microseconds, row } from "../rows.ts";
import type { Engine } from "../stores.ts";
import { openStore, sessionsOver } from "../stores.ts";

const NAME = "traced";
const BAR = { atMost: 1.03 };
/** Appends in one turn: as many as are recorded together, so that each turn pays for its own recording. */
const COUNT = 256;

export const traced: Suite = {
  name: NAME,
  async run(bench) {
    const sdk = startSdk();
    const rows = [...(await onEngine(bench, sdk, "sqlite")), ...(await onEngine(bench, sdk, "memory"))];
    await sdk.stop();
    return rows;
  },
};

async function onEngine(bench: Bench, sdk: Sdk, engine: Engine): Promise<Row[]> {
  const rounds = roundsOf(bench);
  // All on one store, so that they differ in the layer alone: two files of SQLite differ by more than it costs.
  const folder = bench.folder.fresh("traced");
  const store = openStore(engine, folder);
  /** Processor time of each part, in microseconds: others on the machine change it less than what the clock shows. */
  const spent = new Map<Part, number>();
  const appends = (wrap: (store: SessionStore) => SessionStore): Part => {
    const sessions = sessionsOver(wrap(store));
    let session = sessions.create();
    const made = part(
      async (round) => {
        const before = process.cpuUsage();
        const from = round * COUNT;
        const open = await session;
        for (let index = from; index < from + COUNT; index += 1)
          await open.append(bench.transcripts.at(index));
        const { user, system } = process.cpuUsage(before);
        if (round >= rounds.warmUps) spent.set(made, (spent.get(made) ?? 0) + user + system);
      },
      async () => {
        session = sessions.create();
        await session;
      },
    );
    return made;
  };
  const cpu = (one: Part): number => (spent.get(one) ?? Number.NaN) / (one.ms.length * COUNT);
  const plain = appends((below) => below);
  const again = appends((below) => below);
  const whole = appends((below) => tracedStore(below, sdk));
  const none = appends((below) => tracedStore(below));
  await interleave([plain, whole, none, again], rounds);
  await store.close();
  bench.folder.remove(folder);
  const us = (one: Part): string => microseconds(each(one, COUNT));
  const bar = engine === "sqlite" ? { bar: BAR } : {};
  const note = `${us(whole)} µs; plain ${us(plain)} µs`;
  return [
    row(NAME, `${engine}: traced ÷ plain, with an SDK`, ratio(whole, plain), "×", { ...bar, note }),
    row(NAME, `${engine}: traced ÷ plain, no SDK registered`, ratio(none, plain), "×", bar),
    {
      suite: NAME,
      measure: `${engine}: processor time that an SDK adds to an append`,
      value: cpu(whole) - cpu(plain),
      unit: "µs",
      note: `plain ${cpu(plain).toFixed(0)} µs; no SDK adds ${(cpu(none) - cpu(plain)).toFixed(1)} µs`,
    },
    row(NAME, `${engine}: plain ÷ plain, the noise of the measurement`, ratio(again, plain), "×"),
  ];
}

type Sdk = Pick<Required<NonNullable<Parameters<typeof tracedStore>[1]>>, "tracer" | "meter"> & {
  stop(): Promise<void>;
};

/** As an application sets it up, but for the exporters. It isn't registered, so that a store may go without. */
function startSdk(): Sdk {
  context.setGlobalContextManager(asyncContext());
  const nowhere: SpanExporter = {
    export: (_, done) => done({ code: 0 }),
    shutdown: async () => undefined,
  };
  const tracing = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(nowhere)] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const measuring = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  return {
    tracer: tracing.getTracer("bench"),
    meter: measuring.getMeter("bench"),
    async stop() {
      await tracing.shutdown();
      await measuring.shutdown();
    },
  };
}

/** Carries the active span through promises, as `@opentelemetry/context-async-hooks` does. */
function asyncContext(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => work.apply(self, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

function roundsOf({ isQuick }: Bench) {
  return isQuick ? { most: 5, budgetMs: 3000, warmUps: 2 } : { most: 400, budgetMs: 45_000, warmUps: 8 };
}
