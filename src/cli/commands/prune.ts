/**
 * @module
 * `holdfast prune`: removes what is old.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { PruneRule, SessionRecord } from "../../index.ts";
import { confirm } from "../confirm.ts";
import { withStore } from "../context.ts";
import { count, parseDuration, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { paint } from "../style.ts";
import { describe } from "./remove.ts";

interface PruneOptions {
  readonly olderThan?: number;
  readonly status?: NonNullable<PruneRule["status"]>;
  readonly user?: string;
  readonly agent?: string;
  readonly keepLast?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function registerPrune(program: Command): void {
  const command = program
    .command("prune")
    .summary("delete old sessions")
    .description(
      "Deletes the sessions that meet all conditions, with their children, and in any case what has expired. Without a condition: only what has expired.",
    )
    .addOption(
      new Option("--older-than <duration>", "not updated for so long: 45s, 30m, 12h, 30d, 2w").argParser(
        parseDuration,
      ),
    )
    .addOption(
      new Option("--status <status>", "only of this status").choices(["active", "completed", "abandoned"]),
    )
    .option("--user <id>", "only this user's")
    .option("--agent <name>", "only this agent's")
    .addOption(new Option("--keep-last <n>", "keep the newest so many of those").argParser(wholeNumber(0)))
    .option("--dry-run", "say what would go, and do nothing")
    .option("-y, --yes", "do not ask");
  examples(command, [
    ["holdfast prune --older-than 30d --dry-run", "what a month's limit would remove"],
    ["holdfast prune --status completed --keep-last 100 --yes", "keep the newest hundred"],
  ]).action(async (options: PruneOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions, store }) => {
      const rule = ruleOf(options);
      const planned = await sessions.prune({ ...rule, dryRun: true });
      if (options.dryRun && output.json) {
        output.value(planned);
        return;
      }
      const records = await store.find(planned.removed);
      for (const record of records.filter((one): one is SessionRecord => one !== undefined)) {
        if (options.dryRun) output.line(`${describe(record)}  ${paint("dim", "would be deleted")}`);
        else output.note(`${describe(record)}  ${paint("dim", "will be deleted")}`);
      }
      if (planned.held) output.note(`${count(planned.held, "session")} kept by a legal hold`);
      if (planned.removed.length === 0) output.note("nothing to delete");
      if (options.dryRun) return;
      if (planned.removed.length > 0) {
        await confirm(`Delete ${count(planned.removed.length, "session")}?`, options.yes);
      }
      const report =
        planned.removed.length === 0 ? { ...planned, dryRun: false } : await sessions.prune(rule);
      if (output.json) output.value(report);
      else if (report.removed.length > 0) output.note(`${count(report.removed.length, "session")} deleted`);
    });
  });
}

function ruleOf({ olderThan, status, user, agent, keepLast }: PruneOptions): PruneRule {
  return {
    ...(olderThan !== undefined && { olderThanMs: olderThan }),
    ...(status !== undefined && { status }),
    ...(user !== undefined && { userId: user }),
    ...(agent !== undefined && { agent }),
    ...(keepLast !== undefined && { keepLast }),
  };
}
