/**
 * @module
 * `holdfast rm` and `holdfast erase`.
 */
import type { Command } from "commander";
import { Option } from "commander";
import type { SessionRecord } from "../../index.ts";
import { forkPoint } from "../../log/lineage.ts";
import { cleanLine } from "../clean.ts";
import { confirm } from "../confirm.ts";
import type { AnySessions } from "../context.ts";
import { withStore } from "../context.ts";
import { count } from "../format.ts";
import { examples } from "../help.ts";
import { resolveRecord } from "../ids.ts";
import type { Output } from "../output.ts";
import { paint } from "../style.ts";
import { recordsById } from "./tree.ts";

interface RemoveOptions {
  readonly heirs: "keep" | "cascade";
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const ID = "the session's id, or its beginning";

export function registerRm(program: Command): void {
  const command = program
    .command("rm")
    .argument("<id...>", ID)
    .summary("delete sessions")
    .description(
      "Deletes sessions. One that forks inherit from is hidden, and kept for them until the last is gone. Child sessions stay.",
    )
    .addOption(
      new Option("--heirs <what>", "what becomes of its forks").choices(["keep", "cascade"]).default("keep"),
    )
    .option("--dry-run", "say what would go, and do nothing")
    .option("-y, --yes", "do not ask");
  examples(command, [
    ["holdfast rm 019a3f", "asks first"],
    ["holdfast rm 019a3f --heirs cascade --dry-run", "what would go with its forks"],
  ]).action(async (ids: string[], { heirs, dryRun, yes }: RemoveOptions, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions, store }) => {
      const records = await resolveAll(sessions, ids);
      const all = await recordsById(store);
      const forks = (id: string): SessionRecord[] => forksBelow(id, all);
      const plan = records.flatMap((record) => [
        { record, hidden: heirs === "keep" && forks(record.id).length > 0 },
        ...(heirs === "cascade" ? forks(record.id).map((fork) => ({ record: fork, hidden: false })) : []),
      ]);
      for (const { record, hidden } of plan) {
        const what = hidden ? `hidden, kept for ${count(forks(record.id).length, "fork")}` : "deleted";
        if (dryRun) printPlanned(output, record, what);
        else output.note(`${describe(record)}  ${paint("dim", `will be ${what}`)}`);
      }
      if (dryRun) return;
      await confirm(`Delete ${count(plan.length, "session")}?`, yes);
      for (const { id } of records) {
        const deleted = await sessions.delete(id, { heirs });
        if (output.json) output.value({ id, deleted });
      }
      output.note(`${count(plan.length, "session")} deleted`);
    });
  });
}

export function registerErase(program: Command): void {
  const command = program
    .command("erase")
    .argument("<id>", ID)
    .summary("remove a session for good, whatever inherits from it")
    .description(
      "Removes a session for good: every entry, its child sessions, and the messages of it that forks inherit. What a fork took over besides, such as data and label, stays with it.",
    )
    .addOption(
      new Option("--heirs <what>", "what becomes of its forks").choices(["keep", "cascade"]).default("keep"),
    )
    .option("--dry-run", "say what would go, and do nothing")
    .option("-y, --yes", "do not ask");
  examples(command, [["holdfast erase 019a3f --yes", "a user asked to be forgotten"]]).action(
    async (given: string, { heirs: fate, dryRun, yes }: RemoveOptions, self: Command) => {
      await withStore(self, "existing", async ({ output, sessions, store }) => {
        const record = await resolveRecord(sessions, given, "deleted");
        const all = await recordsById(store);
        const gone = fate === "cascade" ? allBelow(record, all) : [record, ...childrenBelow(record.id, all)];
        const heirs = forksBelow(record.id, all).filter(
          (fork) => !gone.includes(fork) && fork.lineage.some(({ id }) => id === record.id),
        );
        const say = (text: string): void => (dryRun ? output.line(text) : output.note(text));
        if (dryRun && output.json) {
          output.value({
            dryRun: true,
            id: record.id,
            sessions: gone.map(({ id }) => id),
            entries: gone.reduce((sum, one) => sum + one.seq - forkPoint(one), 0),
            heirs: heirs.map(({ id }) => id),
          });
          return;
        }
        for (const one of gone) say(`${describe(one)}  ${paint("red", "is erased")}`);
        for (const heir of heirs)
          say(`${describe(heir)}  ${paint("yellow", "loses what it inherits of it")}`);
        if (dryRun) return;
        await confirm(`Erase ${count(gone.length, "session")} for good?`, yes);
        const report = await sessions.erase(record.id, { heirs: fate });
        if (output.json) output.value(report);
        else {
          for (const part of report.removed)
            output.note(`${String(part.count).padStart(8)} ${part.what} in ${part.place}`);
          output.note(
            `${count(report.sessions.length, "session")} with ${count(report.entries, "entry", "entries")} erased`,
          );
        }
      });
    },
  );
}

async function resolveAll(sessions: AnySessions, ids: readonly string[]): Promise<SessionRecord[]> {
  const records = new Map<string, SessionRecord>();
  for (const given of ids) {
    const record = await resolveRecord(sessions, given);
    records.set(record.id, record);
  }
  return [...records.values()];
}

function printPlanned(output: Output, record: SessionRecord, what: string): void {
  if (output.json) output.value({ dryRun: true, id: record.id, what });
  else output.line(`${describe(record)}  ${paint("dim", `would be ${what}`)}`);
}

export function describe({ id, label, messageCount }: SessionRecord): string {
  const name = label === undefined ? "" : `  ${cleanLine(label)}`;
  return `${paint("yellow", cleanLine(id))}${name}  ${paint("dim", count(messageCount, "message"))}`;
}

/** The forks of a session and theirs, however deep. */
function forksBelow(id: string, all: ReadonlyMap<string, SessionRecord>): SessionRecord[] {
  return below(id, all, "fork");
}

/** The session, with the children and forks of it and of theirs. */
function allBelow(record: SessionRecord, all: ReadonlyMap<string, SessionRecord>): SessionRecord[] {
  const found = new Set([record]);
  for (const { id } of found) {
    for (const one of all.values()) if (one.parentId === id && one.kind !== "session") found.add(one);
  }
  return [...found];
}

function childrenBelow(id: string, all: ReadonlyMap<string, SessionRecord>): SessionRecord[] {
  return below(id, all, "child");
}

function below(id: string, all: ReadonlyMap<string, SessionRecord>, kind: "fork" | "child"): SessionRecord[] {
  const found = new Map<string, SessionRecord>();
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const record of all.values()) {
      if (record.parentId !== next || record.kind !== kind || record.id === id || found.has(record.id))
        continue;
      found.set(record.id, record);
      open.push(record.id);
    }
  }
  return [...found.values()];
}
