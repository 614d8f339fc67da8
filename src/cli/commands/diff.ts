/**
 * @module
 * `holdfast diff`: what two sessions share, and where they part.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { Session, SessionRecord } from "../../index.ts";
import type { StoredObject } from "../../log/entry.ts";
import { partsOf } from "../../log/lineage.ts";
import type { StoredMessage } from "../../log/transcript.ts";
import { encodeValue } from "../../log/values.ts";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { usageError } from "../failure.ts";
import { count, wholeNumber } from "../format.ts";
import { examples } from "../help.ts";
import { resolveId } from "../ids.ts";
import type { Output } from "../output.ts";
import { paint } from "../style.ts";
import { transcriptPrinter } from "../transcript-text.ts";

interface DiffOptions {
  readonly last?: number;
}

interface Difference {
  /** How many messages both begin with. */
  readonly common: number;
  readonly lastCommon: StoredMessage | undefined;
  readonly onlyA: StoredMessage[];
  readonly onlyB: StoredMessage[];
}

export function registerDiff(program: Command): void {
  const command = program
    .command("diff")
    .argument("<a>", "a session's id, or its beginning")
    .argument("<b>", "another session's")
    .summary("show what two sessions share and where they part")
    .description(
      "Compares two sessions message by message: how much they begin with in common, then what each one went on with.",
    )
    .addOption(
      new Option("--last <n>", "only the newest so many messages of each").argParser(wholeNumber(1)),
    );
  examples(command, [
    ["holdfast diff 019a3f 019a40", "a session and its fork"],
    ["holdfast diff 019a3f 019a40 --last 2", "only how each ended"],
  ]).action(async (a: string, b: string, { last }: DiffOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions }) => {
      const one = await sessions.open(await resolveId(sessions, a));
      const other = await sessions.open(await resolveId(sessions, b));
      if (one.id === other.id) throw usageError("both ids name the same session; name two");
      const found = await compare(one, other);
      const shared = sharedLog(await one.refresh(), await other.refresh());
      if (output.json) {
        const { common, lastCommon, onlyA, onlyB } = found;
        output.value({
          a: one.id,
          b: other.id,
          common,
          ...(lastCommon && { lastCommon }),
          ...(shared && { sharedLog: shared }),
          onlyA: newest(onlyA, last),
          onlyB: newest(onlyB, last),
        });
      } else printDifference(output, one, other, found, shared, last);
    });
  });
}

async function compare(one: Session<StoredObject>, other: Session<StoredObject>): Promise<Difference> {
  const left = one.stream()[Symbol.asyncIterator]();
  const right = other.stream()[Symbol.asyncIterator]();
  let common = 0;
  let lastCommon: StoredMessage | undefined;
  for (;;) {
    const [a, b] = [await left.next(), await right.next()];
    if (!a.done && !b.done && encodeValue(a.value.message) === encodeValue(b.value.message)) {
      common += 1;
      lastCommon = a.value;
      continue;
    }
    const onlyA = a.done ? [] : [a.value, ...(await rest(left))];
    const onlyB = b.done ? [] : [b.value, ...(await rest(right))];
    return { common, lastCommon, onlyA, onlyB };
  }
}

async function rest(iterator: AsyncIterator<StoredMessage>): Promise<StoredMessage[]> {
  const all: StoredMessage[] = [];
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) all.push(next.value);
  return all;
}

/** The last position of the log that both have, and whose log it is in; `undefined` where they share none. */
function sharedLog(a: SessionRecord, b: SessionRecord): { id: string; upTo: number } | undefined {
  const others = partsOf(b);
  let shared: { id: string; upTo: number } | undefined;
  for (const [index, part] of partsOf(a).entries()) {
    const other = others[index];
    if (other === undefined || other.id !== part.id) break;
    shared = { id: part.id, upTo: Math.min(part.upTo, other.upTo) };
    if (part.upTo !== other.upTo) break;
  }
  return shared;
}

function newest<T>(list: readonly T[], last: number | undefined): readonly T[] {
  return last === undefined ? list : list.slice(-last);
}

function printDifference(
  output: Output,
  one: Session<StoredObject>,
  other: Session<StoredObject>,
  { common, lastCommon, onlyA, onlyB }: Difference,
  shared: { id: string; upTo: number } | undefined,
  last: number | undefined,
): void {
  const log = shared
    ? `the log is one up to #${shared.upTo}, in ${cleanLine(shared.id)}`
    : "they share no log";
  output.line(`${paint("bold", `${count(common, "message")} in common`)}${paint("dim", `  (${log})`)}`);
  if (lastCommon) output.line(`\n${transcriptPrinter().lines(lastCommon).join("\n")}`);
  const sides = [
    { sign: "-", colour: "red", session: one, messages: onlyA },
    { sign: "+", colour: "green", session: other, messages: onlyB },
  ] as const;
  for (const { sign, colour, session, messages } of sides) {
    const label = session.label === undefined ? "" : `  ${cleanLine(session.label)}`;
    output.line(`\n${paint(["bold", colour], `${sign}${sign}${sign} ${cleanLine(session.id)}`)}${label}`);
    output.line(
      paint(
        "dim",
        messages.length === 0 ? "nothing more" : `${count(messages.length, "message")} of its own`,
      ),
    );
    const printer = transcriptPrinter();
    for (const message of newest(messages, last)) {
      for (const line of printer.lines(message)) output.line(`${paint(colour, sign)} ${line}`);
    }
  }
}
