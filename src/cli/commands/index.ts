/**
 * @module
 * Every command, in the order in which help lists them.
 */
import type { Command } from "commander";
import { registerFork, registerRename } from "./change.ts";
import { registerChat } from "./chat.ts";
import { registerConformance } from "./conformance.ts";
import { registerCopy } from "./copy.ts";
import { registerDemo } from "./demo.ts";
import { registerDiff } from "./diff.ts";
import { registerDoctor } from "./doctor.ts";
import { registerExport } from "./export.ts";
import { registerHold, registerRelease } from "./hold.ts";
import { registerImport } from "./import.ts";
import { registerLs } from "./ls.ts";
import { registerMigrate } from "./migrate.ts";
import { registerPrune } from "./prune.ts";
import { registerErase, registerRm } from "./remove.ts";
import { registerSearch } from "./search.ts";
import { registerShow } from "./show.ts";
import { registerStats } from "./stats.ts";
import { registerTail } from "./tail.ts";
import { registerTree } from "./tree.ts";

export function registerCommands(program: Command): void {
  program.commandsGroup("Try it:");
  registerDemo(program);
  registerChat(program);
  program.commandsGroup("Look:");
  registerLs(program);
  registerShow(program);
  registerTail(program);
  registerTree(program);
  registerDiff(program);
  registerSearch(program);
  registerStats(program);
  program.commandsGroup("Change:");
  registerFork(program);
  registerRename(program);
  registerRm(program);
  registerErase(program);
  registerPrune(program);
  registerHold(program);
  registerRelease(program);
  program.commandsGroup("Move:");
  registerExport(program);
  registerImport(program);
  registerCopy(program);
  program.commandsGroup("Care:");
  registerMigrate(program);
  registerDoctor(program);
  registerConformance(program);
}
