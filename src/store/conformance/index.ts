/**
 * The conformance suite: every promise of `docs/spec.md` that a store must keep, as cases that run on any store, under
 * any test runner or none.
 *
 * @module holdfast/conformance
 * @example
 * ```ts
 * import { memoryStore } from "holdfast";
 * import { conformanceReport } from "holdfast/conformance";
 *
 * let store = memoryStore();
 * const report = await conformanceReport({
 *   open: async () => (store = memoryStore()),
 *   openSecond: async () => store,
 *   destroy: () => store.close(),
 * });
 * for (const { status, key, error } of report.cases) if (status === "failed") console.log(key, error);
 * ```
 */
export { conformanceCases } from "./cases/index.ts";
export type {
  ConformanceCase,
  ConformanceCaseResult,
  ConformanceContext,
  ConformanceHarness,
  ConformanceOptions,
  ConformanceReport,
  Requirement,
} from "./harness.ts";
export type { TestRunner } from "./run.ts";
export { conformanceReport, runConformance } from "./run.ts";
export type { WriterReport, WriterTask } from "./writer-task.ts";
export { runWriterTask } from "./writer-task.ts";
