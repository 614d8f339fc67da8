/**
 * @module
 * `holdfast hold` and `holdfast release`.
 */
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { HoldReport } from "../../index.ts";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { count } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId } from "../ids.ts";
import type { Output } from "../output.ts";

interface HoldOptions {
  readonly reason: string;
  readonly until?: number;
}

const ID = "the session's id, or its beginning";

export function registerHold(program: Command): void {
  const command = program
    .command("hold")
    .argument("<id>", ID)
    .summary("place a session under a legal hold")
    .description(
      "Keeps a session and its child sessions from being deleted, erased or pruned, and from expiring, until it is released.",
    )
    .requiredOption("--reason <matter>", "whoever can read the session can read it")
    .addOption(
      new Option("--until <date>", "when it ends by itself: 2027-01-31, or with a time").argParser(parseDate),
    );
  examples(command, [['holdfast hold 019a3f --reason "matter 17"', "until it is released"]]).action(
    async (given: string, { reason, until }: HoldOptions, self: Command) => {
      await withStore(self, "existing", async ({ output, sessions }) => {
        const id = await resolveId(sessions, given);
        const report = await sessions.hold(id, { reason, ...(until !== undefined && { until }) });
        tell(output, id, report, "held");
      });
    },
  );
}

export function registerRelease(program: Command): void {
  const command = program
    .command("release")
    .argument("<id>", ID)
    .summary("lift a legal hold")
    .description(
      "Lifts the hold of a session, and of its child sessions that are held for the same reason. What has expired meanwhile is gone.",
    );
  examples(command, [["holdfast release 019a3f", "the matter is closed"]]).action(
    async (given: string, _options: object, self: Command) => {
      await withStore(self, "existing", async ({ output, sessions }) => {
        const id = await resolveId(sessions, given);
        tell(output, id, await sessions.release(id), "released");
      });
    },
  );
}

function tell(output: Output, id: string, { sessions }: HoldReport, what: "held" | "released"): void {
  if (output.json) output.value({ id, [what]: sessions });
  else for (const one of sessions) output.line(`${cleanLine(one)}  ${what}`);
  output.note(
    sessions.length === 0 ? `it was ${what} before` : `${count(sessions.length, "session")} ${what}`,
  );
}

function parseDate(text: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new InvalidArgumentError("Write a date such as 2027-01-31, or 2027-01-31T12:00Z.");
}
