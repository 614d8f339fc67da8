/**
 * @module
 * `holdfast copy`: everything of one store into another, checked at the end.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import type { SessionRecord, SessionStore } from "../../index.ts";
import { forkPoint } from "../../log/lineage.ts";
import { encodeValue } from "../../log/values.ts";
import { copySession } from "../../session/transfer.ts";
import { cleanLine } from "../clean.ts";
import { openStore, outputOf } from "../context.ts";
import { everyRecord } from "../every-record.ts";
import { CliError, usageError } from "../failure.ts";
import { count } from "../format.ts";
import { examples } from "../help.ts";
import { interruptible, stopPoint } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";
import { placeOf } from "../store-place.ts";

interface CopyOptions {
  readonly from: string;
  readonly to: string;
  readonly namespace?: string;
}

interface CopyReport {
  sessions: number;
  entries: number;
  /** Entries that were not in the other store before. */
  copied: number;
  sha256: string;
  /** Sessions that were written to while they were copied. */
  changed: string[];
}

const PAGE = 500;

export function registerCopy(program: Command): void {
  const command = program
    .command("copy")
    .summary("copy everything from one store to another")
    .description(
      "Copies every session of a store to another as it is: ids, versions, forks, children, and those that are deleted and kept for their forks. Run it again to go on after an interruption, or to bring over what is new. At the end, records and entries of both are compared.",
    )
    .requiredOption("--from <url>", "the store to read")
    .requiredOption("--to <url>", "the store to write, made where it is not there");
  examples(command, [
    ["holdfast copy --from sqlite:./.holdfast/sessions.db --to file:./backup", "a backup that jq reads"],
    ["holdfast copy --from file:./sessions --to sqlite:./sessions.db", "move to another engine"],
  ]).action(async (_options: object, self: Command) => {
    const { from, to, namespace } = self.optsWithGlobals<CopyOptions>();
    if (from === to || (placeOf(from) && placeOf(from)?.path === placeOf(to)?.path)) {
      throw usageError("--from and --to name the same store; name two");
    }
    const output = outputOf(self);
    const source = await openStore(from, "existing");
    try {
      const target = await openStore(to, "create");
      try {
        const [one, other] = [source.namespace(namespace ?? ""), target.namespace(namespace ?? "")];
        const report = await interruptible((signal) => copyAll(output, one, other, signal));
        printReport(output, report);
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  });
}

async function copyAll(
  output: Output,
  source: SessionStore,
  target: SessionStore,
  signal: AbortSignal,
): Promise<CopyReport> {
  const progress = createProgress(output, "copy");
  const check = (): Promise<void> =>
    stopPoint(signal, () => "the copy was stopped; run the same command again to go on");
  try {
    await target.migrate();
    let total = 0;
    for await (const _record of everyRecord(source)) total += 1;
    let done = 0;
    let copied = 0;
    for await (const record of everyRecord(source)) {
      copied += await copySession(source, target, record);
      done += 1;
      // Copying is one half of the work, comparing the other.
      progress.update(done, 2 * total);
      await check();
    }
    const hash = createHash("sha256");
    const report: CopyReport = { sessions: 0, entries: 0, copied, sha256: "", changed: [] };
    for await (const record of everyRecord(source)) {
      report.entries += await compare(source, target, record, report.changed, hash);
      report.sessions += 1;
      progress.update(total + report.sessions, 2 * total);
      await check();
    }
    report.sha256 = hash.digest("hex");
    return report;
  } finally {
    progress.stop();
  }
}

/** Compares a session in both stores; answers with how many entries were. @throws CHECK_FAILED */
async function compare(
  source: SessionStore,
  target: SessionStore,
  record: SessionRecord,
  changed: string[],
  total: ReturnType<typeof createHash>,
): Promise<number> {
  const differs = (what: string): CliError =>
    new CliError(
      "CHECK_FAILED",
      `session ${JSON.stringify(record.id)} is not the same in both stores: ${what}; the source is as it was, remove that session from the other store and run this again`,
    );
  const [copy] = await target.find([record.id]);
  if (copy === undefined) {
    // It was created after the copy had passed its place.
    changed.push(record.id);
    return 0;
  }
  if (copy.version < record.version) changed.push(record.id);
  else if (!isDeepStrictEqual(record, copy)) throw differs("their records differ");
  const upTo = Math.min(record.seq, copy.seq);
  const [one, other] = [await digest(source, record, upTo), await digest(target, record, upTo)];
  if (one.count !== other.count) throw differs(`${one.count} and ${other.count} entries`);
  if (one.sha256 !== other.sha256) throw differs("their entries differ");
  total.update(one.sha256);
  return one.count;
}

async function digest(
  store: SessionStore,
  record: SessionRecord,
  upTo: number,
): Promise<{ count: number; sha256: string }> {
  const hash = createHash("sha256");
  let after = forkPoint(record);
  let entries = 0;
  for (;;) {
    const page = await store.read(record.id, { after, upTo, limit: PAGE });
    for (const entry of page) hash.update(`${encodeValue(entry)}\n`);
    entries += page.length;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return { count: entries, sha256: hash.digest("hex") };
    after = last.seq;
  }
}

function printReport(output: Output, { sessions, entries, copied, sha256, changed }: CopyReport): void {
  if (output.json) output.value({ sessions, entries, copied, sha256, changed });
  else {
    output.line(
      `${count(sessions, "session")}, ${count(entries, "entry", "entries")} are the same in both (${copied.toLocaleString("en-US")} were new)`,
    );
    output.line(`sha256 ${sha256}`);
  }
  if (changed.length > 0) {
    throw new CliError(
      "CHECK_FAILED",
      `${count(changed.length, "session")} changed while it was copied; run the same command again`,
      changed.map(cleanLine),
    );
  }
}
