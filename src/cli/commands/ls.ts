/**
 * @module
 * `holdfast ls`: which sessions there are.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { SessionKind, SessionQuery, SessionRecord, SessionStatus } from "../../index.ts";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { relativeTime, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { knownIds, shortIds } from "../ids.ts";
import type { Output } from "../output.ts";
import { paint, paintStatus } from "../style.ts";
import type { Column } from "../table.ts";
import { table } from "../table.ts";

interface LsOptions {
  readonly user?: string;
  readonly agent?: string;
  readonly status?: SessionStatus;
  readonly label?: string;
  readonly kind?: SessionKind;
  readonly limit?: number;
  readonly cursor?: string;
  readonly all?: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "LABEL", shrinks: true },
  { title: "STATUS" },
  { title: "USER", shrinks: true },
  { title: "MESSAGES", align: "right" },
  { title: "UPDATED" },
  { title: "KIND" },
];
const PAGE = 1000;

export function registerLs(program: Command): void {
  const command = program
    .command("ls")
    .alias("list")
    .summary("list sessions, newest first")
    .description("Lists sessions, the most recently updated first.")
    .option("--user <id>", "only this user's")
    .option("--agent <name>", "only this agent's")
    .addOption(
      new Option(
        "--status <status>",
        "only of this status; those that are deleted and kept for their forks are listed only so",
      ).choices(["active", "completed", "abandoned", "deleted"]),
    )
    .option("--label <label>", "only with just this label")
    .addOption(new Option("--kind <kind>", "only of this kind").choices(["session", "fork", "child"]))
    .addOption(
      new Option("--limit <n>", "so many at most (default 50, at most 1000)").argParser(wholeNumber(1)),
    )
    .addOption(new Option("--cursor <cursor>", "the next page, as the page before it named it"))
    .addOption(new Option("--all", "every page").conflicts(["limit", "cursor"]));
  examples(command, [
    ["holdfast ls", "the 50 newest"],
    ["holdfast ls --user alice --status active", "one user's open sessions"],
    ["holdfast ls --all --json | jq -r .id", "every id"],
  ]).action(async (options: LsOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const query = queryOf(options);
      if (options.all) {
        const records: SessionRecord[] = [];
        for await (const record of sessions.all({ ...query, limit: PAGE, order: "updated" })) {
          if (output.json) {
            output.value(record);
            await output.drained();
          } else records.push(record);
        }
        if (!output.json) printTable(output, records, []);
        return;
      }
      const page = await sessions.list({
        ...query,
        ...(options.limit !== undefined && { limit: options.limit }),
        ...(options.cursor !== undefined && { cursor: options.cursor }),
      });
      if (output.json) for (const record of page.items) output.value(record);
      else printTable(output, page.items, await knownIds(sessions));
      if (page.cursor !== undefined) {
        output.warn(paint("dim", `there are more: add --cursor ${page.cursor}, or --all`), {
          cursor: page.cursor,
        });
      }
    });
  });
}

function queryOf({ user, agent, status, label, kind }: LsOptions): SessionQuery {
  return {
    ...(user !== undefined && { userId: user }),
    ...(agent !== undefined && { agent }),
    ...(status !== undefined && { status }),
    ...(label !== undefined && { label }),
    ...(kind !== undefined && { kind }),
  };
}

function printTable(output: Output, records: readonly SessionRecord[], known: readonly string[]): void {
  if (records.length === 0) {
    output.note("no sessions match");
    return;
  }
  const ids = shortIds(
    records.map(({ id }) => id),
    known,
  );
  const now = Date.now();
  const rows = records.map((record) => [
    cleanLine(ids.get(record.id) ?? record.id),
    cleanLine(record.label ?? ""),
    `${record.status}${record.turn ? (record.turn.until > now ? " (in a turn)" : " (interrupted)") : ""}`,
    cleanLine(record.userId ?? ""),
    String(record.messageCount),
    relativeTime(record.updatedAt, now),
    record.kind,
  ]);
  const lines = table(COLUMNS, rows, (text, column, row) => {
    if (column === 0) return paint("yellow", text);
    if (column === 2)
      return paintStatus(records[row]?.status ?? "").replace(records[row]?.status ?? "", text);
    return column === 5 || column === 6 ? paint("dim", text) : text;
  });
  for (const line of lines) output.line(line);
}
