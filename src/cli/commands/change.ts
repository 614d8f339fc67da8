/**
 * @module
 * `holdfast fork` and `holdfast rename`.
 */
import type { Command } from "commander";
import { Option } from "commander";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { count, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId, resolveRecord } from "../ids.ts";
import { paint } from "../style.ts";

interface ForkOptions {
  readonly at?: number;
  readonly atMessage?: string;
  readonly label?: string;
  readonly id?: string;
}

export function registerFork(program: Command): void {
  const command = program
    .command("fork")
    .argument("<id>", "the session's id, or its beginning")
    .summary("make a session that goes on from a point of another")
    .description(
      "Makes a new session that inherits another's history, up to its newest entry or an earlier one. Nothing is copied.",
    )
    .addOption(
      new Option("--at <position>", "the last position that it inherits, as `show` prints them").argParser(
        (text: string) => wholeNumber(1)(text.replace(/^#/, "")),
      ),
    )
    .addOption(new Option("--at-message <id>", "the last message that it inherits").conflicts("at"))
    .option("--label <label>", "its label (default: the same)")
    .option("--id <id>", "its id (default: a new UUIDv7)");
  examples(command, [
    ["holdfast fork 019a3f", "go on from here in two ways"],
    ['holdfast fork 019a3f --at 12 --label "other answer"', "go on from an earlier point"],
  ]).action(async (id: string, { at, atMessage, label, id: newId }: ForkOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const parent = await resolveRecord(sessions, id, "deleted");
      const fork = await sessions.fork(parent.id, {
        ...(at !== undefined && { at }),
        ...(atMessage !== undefined && { at: { messageId: atMessage } }),
        ...(label !== undefined && { label }),
        ...(newId !== undefined && { id: newId }),
      });
      if (output.json) output.value(fork.record);
      else {
        output.line(fork.id);
        output.note(
          paint("dim", `inherits ${count(fork.record.messageCount, "message")} of ${cleanLine(parent.id)}`),
        );
      }
    });
  });
}

export function registerRename(program: Command): void {
  const command = program
    .command("rename")
    .argument("<id>", "the session's id, or its beginning")
    .argument("<label>", "its new label")
    .summary("give a session another label")
    .description("Gives a session another label. The old one stays in the log.");
  examples(command, [['holdfast rename 019a3f "Flight to Lisbon"', "what it is about"]]).action(
    async (given: string, label: string, _options: object, self: Command) => {
      await withStore(self, "existing", async ({ output, sessions }) => {
        const id = await resolveId(sessions, given);
        await sessions.rename(id, label);
        if (output.json) output.value(await sessions.find(id));
        else output.line(`${paint("yellow", cleanLine(id))}  ${cleanLine(label)}`);
      });
    },
  );
}
