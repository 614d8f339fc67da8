/**
 * @module
 * Runs the cases: under a test runner, or into a report.
 */
import { messageOf } from "../../log/errors.ts";
import type { SessionStore } from "../store.ts";
import { conformanceCases } from "./cases/index.ts";
import type {
  ConformanceCase,
  ConformanceCaseResult,
  ConformanceContext,
  ConformanceHarness,
  ConformanceOptions,
  ConformanceReport,
} from "./harness.ts";
import { newSeed } from "./random.ts";

const SETTLE_MS = 10_000;
const SETTLE_STEP_MS = 50;

/** What is used of a test runner: `node:test`, vitest, jest and mocha all fit. */
export interface TestRunner {
  readonly test: (title: string, run: () => Promise<void>) => unknown;
  readonly describe: (title: string, define: () => void) => unknown;
}

/**
 * Registers every case with a test runner, grouped by the part of the spec that it belongs to. What the store declares
 * that it lacks passes once the declaration proves true.
 *
 * @example
 * ```ts
 * import { describe, test } from "node:test";
 * import { memoryStore } from "holdfast";
 * import { runConformance } from "holdfast/conformance";
 *
 * let store = memoryStore();
 * runConformance(
 *   { open: async () => (store = memoryStore()), openSecond: async () => store, destroy: () => store.close() },
 *   { test, describe },
 * );
 * ```
 */
export function runConformance(
  harness: ConformanceHarness,
  runner: TestRunner,
  options: ConformanceOptions = {},
): void {
  const groups = Map.groupBy(selected(options), ({ key }) => key.slice(0, key.indexOf("/")));
  for (const [group, cases] of groups) {
    runner.describe(group, () => {
      for (const item of cases) {
        runner.test(`${item.clause} ${item.title}`, async () => {
          await runCase(item, harness, options);
        });
      }
    });
  }
}

/**
 * Runs every case, one after another, and answers with what came of each. A case that fails does not end the run.
 *
 * @param onCase is told each result as it comes, for a progress bar.
 * @throws what `harness.open` rejects with, where the store can't even be opened.
 */
export async function conformanceReport(
  harness: ConformanceHarness,
  options: ConformanceOptions & {
    readonly onCase?: (result: ConformanceCaseResult, of: number) => void;
  } = {},
): Promise<ConformanceReport> {
  const { name, capabilities } = await harness.open();
  await harness.destroy();
  const chosen = selected(options);
  const cases: ConformanceCaseResult[] = [];
  for (const item of chosen) {
    const result = await resultOf(item, harness, options);
    cases.push(result);
    options.onCase?.(result, chosen.length);
  }
  const count = (status: ConformanceCaseResult["status"]): number =>
    cases.filter((item) => item.status === status).length;
  return {
    store: name,
    capabilities,
    passed: count("passed"),
    failed: count("failed"),
    unsupported: count("unsupported"),
    cases,
  };
}

function selected({ only = "" }: ConformanceOptions): ConformanceCase[] {
  return conformanceCases.filter(({ key }) => key.startsWith(only));
}

async function resultOf(
  item: ConformanceCase,
  harness: ConformanceHarness,
  options: ConformanceOptions,
): Promise<ConformanceCaseResult> {
  const { key, clause, title } = item;
  const started = performance.now();
  const ms = (): number => Math.round(performance.now() - started);
  try {
    const lacks = await runCase(item, harness, options);
    if (lacks === undefined) return { key, clause, title, status: "passed", ms: ms() };
    return { key, clause, title, status: "unsupported", ms: ms(), lacks };
  } catch (error) {
    return { key, clause, title, status: "failed", ms: ms(), error: messageOf(error) };
  }
}

/** Runs one case on storage of its own. Answers with what the store or harness lacks for it, if anything. */
async function runCase(
  { requires, run }: ConformanceCase,
  harness: ConformanceHarness,
  { seed = newSeed() }: ConformanceOptions,
): Promise<string | undefined> {
  const store = await harness.open();
  const body = async (): Promise<string | undefined> => {
    if (!requires || requires.isMet(store, harness)) await run(contextOf(store, harness, seed));
    else await requires.declared(store);
    return requires?.isMet(store, harness) === false ? requires.name : undefined;
  };
  const [ran, ended] = [await attempt(body), await attempt(() => harness.destroy())];
  if ("error" in ran) throw ran.error;
  if ("error" in ended) throw ended.error;
  return ran.value;
}

function contextOf(store: SessionStore, harness: ConformanceHarness, seed: number): ConformanceContext {
  let second: Promise<SessionStore> | undefined;
  return {
    store,
    harness,
    seed,
    second() {
      second ??= harness.openSecond();
      return second;
    },
    settled: (assertions) =>
      store.capabilities.listConsistency === "strong" ? assertions() : settle(assertions),
  };
}

/** What `step` resolves with, or what it rejects with: a case's own failure counts for more than one of cleaning up. */
async function attempt<T>(
  step: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await step() };
  } catch (error) {
    return { error };
  }
}

async function settle(assertions: () => Promise<void>): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    try {
      await assertions();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}
