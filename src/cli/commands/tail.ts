/**
 * @module
 * `holdfast tail`: follows a session while others write to it.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { Entry } from "../../index.ts";
import { isKnown } from "../../log/entry.ts";
import { withStore } from "../context.ts";
import { entryLine } from "../entry-text.ts";
import { wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId } from "../ids.ts";
import { interruptible } from "../interrupt.ts";
import { newestMessages } from "../newest-messages.ts";
import { paint } from "../style.ts";
import { transcriptPrinter } from "../transcript-text.ts";

interface TailOptions {
  readonly last: number;
}

const DEFAULT_LAST = 10;

export function registerTail(program: Command): void {
  const command = program
    .command("tail")
    .argument("<id>", "the session's id, or its beginning")
    .summary("follow a session as it is written")
    .description(
      "Shows the newest messages, then everything that is written to the session, by whatever process, until Ctrl-C.",
    )
    .addOption(
      new Option("--last <n>", "begin with so many messages").argParser(wholeNumber(0)).default(DEFAULT_LAST),
    );
  examples(command, [
    ["holdfast tail 019a3f", "watch an agent at work"],
    ["holdfast tail 019a3f --last 0 --json", "new entries only, a line of JSON each"],
  ]).action(async (id: string, { last }: TailOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const session = await sessions.open(await resolveId(sessions, id));
      const printer = transcriptPrinter();
      const print = (entry: Entry): void => {
        if (output.json) output.value(entry);
        else if (isKnown(entry) && entry.type === "message") {
          output.line(`${printer.lines({ ...entry, message: entry.data.message }).join("\n")}\n`);
        } else output.line(paint("dim", `${entryLine(entry)}\n`));
      };
      const { seq } = await session.refresh();
      for (const { id: messageId, at, message, ...place } of await newestMessages(session, last)) {
        print({ ...place, id: messageId, type: "message", data: { message }, at });
      }
      output.note(paint("dim", "following; Ctrl-C ends it"));
      await interruptible(async (signal) => {
        for await (const entry of session.watch({ after: seq, signal })) {
          print(entry);
          await output.drained();
        }
      });
    });
  });
}
