/**
 * @module
 * Every case of the suite, in the order in which it runs.
 */
import type { ConformanceCase } from "../harness.ts";
import { batchCases } from "./batch.ts";
import { commitCases } from "./commit.ts";
import { deleteCases } from "./delete.ts";
import { duplicateCases } from "./duplicates.ts";
import { durabilityCases } from "./durability.ts";
import { errorCases } from "./errors.ts";
import { expiryCases } from "./expiry.ts";
import { forkCases } from "./fork.ts";
import { listCases } from "./list.ts";
import { logCases } from "./log.ts";
import { namespaceCases } from "./namespaces.ts";
import { pagingCases } from "./paging.ts";
import { randomCases } from "./random.ts";
import { readCases } from "./read.ts";
import { searchCases } from "./search.ts";
import { searchPageCases } from "./search-pages.ts";
import { turnCases } from "./turns.ts";
import { valueCases } from "./values.ts";
import { watchCases } from "./watch.ts";

export const conformanceCases: readonly ConformanceCase[] = [
  ...logCases,
  ...commitCases,
  ...duplicateCases,
  ...batchCases,
  ...durabilityCases,
  ...readCases,
  ...listCases,
  ...pagingCases,
  ...forkCases,
  ...deleteCases,
  ...expiryCases,
  ...valueCases,
  ...errorCases,
  ...namespaceCases,
  ...searchCases,
  ...searchPageCases,
  ...watchCases,
  ...turnCases,
  ...randomCases,
];
