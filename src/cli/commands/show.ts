/**
 * @module
 * `holdfast show`: one session, its record and its messages.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { Entry, Session } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import type { StoredMessage } from "../../log/transcript.ts";
import { withStore } from "../context.ts";
import { entryLine } from "../entry-text.ts";
import { count, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId } from "../ids.ts";
import { newestMessages } from "../newest-messages.ts";
import type { Output } from "../output.ts";
import { recordLines } from "../record-text.ts";
import { paint } from "../style.ts";
import { transcriptPrinter } from "../transcript-text.ts";

interface ShowOptions {
  readonly last?: number;
  readonly entries?: boolean;
  readonly context?: boolean;
  readonly full?: boolean;
}

export function registerShow(program: Command): void {
  const command = program
    .command("show")
    .argument("<id>", "the session's id, or its beginning")
    .summary("show a session and its messages")
    .description("Shows a session: what is known of it, then its messages, with what it inherits.")
    .addOption(new Option("--last <n>", "only the newest so many").argParser(wholeNumber(1)))
    .addOption(new Option("--entries", "the raw log in place of the messages").conflicts("context"))
    .option("--context", "what a model would be sent: summary and repairs applied")
    .option("--full", "cut nothing");
  examples(command, [
    ["holdfast show 019a3f", "the whole conversation"],
    ["holdfast show 019a3f --last 5", "how it ended"],
    ["holdfast show 019a3f --entries", "everything that ever happened to it"],
    ["holdfast show 019a3f --json | jq .record.usage", "one part of the record"],
  ]).action(async (id: string, options: ShowOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const session = await sessions.open(await resolveId(sessions, id));
      if (options.entries) await showEntries(output, session, options);
      else if (options.context) await showContext(output, session, options);
      else await showMessages(output, session, options);
    });
  });
}

async function showMessages(
  output: Output,
  session: Session<StoredObject>,
  { last, full }: ShowOptions,
): Promise<void> {
  const record = await session.refresh();
  const newest = last === undefined ? undefined : await newestMessages(session, last);
  if (output.json) {
    const messages: StoredMessage[] = [];
    for await (const message of newest ?? session.stream()) messages.push(message);
    output.value({ record, messages });
    return;
  }
  for (const line of recordLines(record)) output.line(line);
  const earlier = newest === undefined ? 0 : record.messageCount - newest.length;
  if (earlier > 0) output.line(`\n${paint("dim", `… ${count(earlier, "earlier message")}`)}`);
  const printer = transcriptPrinter(full ? { full } : {});
  for await (const message of newest ?? session.stream()) {
    output.line(`\n${printer.lines(message).join("\n")}`);
    await output.drained();
  }
}

async function showEntries(
  output: Output,
  session: Session<StoredObject>,
  { last, full }: ShowOptions,
): Promise<void> {
  const { seq } = await session.refresh();
  const after = last === undefined ? 0 : Math.max(0, seq - last);
  for await (const entry of session.entries({ after, upTo: seq })) {
    printEntry(output, entry, full === true);
    await output.drained();
  }
}

export function printEntry(output: Output, entry: Entry, full: boolean): void {
  if (output.json) output.value(entry);
  else output.line(entryLine(entry, full));
}

async function showContext(
  output: Output,
  session: Session<StoredObject>,
  { last, full }: ShowOptions,
): Promise<void> {
  const messages = await session.context(last === undefined ? {} : { lastMessages: last });
  const printer = transcriptPrinter(full ? { full } : {});
  for (const [index, message] of messages.entries()) {
    if (output.json) output.value(message);
    else output.line(`${index === 0 ? "" : "\n"}${printer.lines({ message }).join("\n")}`);
    await output.drained();
  }
}
