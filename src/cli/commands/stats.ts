/**
 * @module
 * `holdfast stats`: what a store holds.
 */
import type { Command } from "commander";
import type { SessionRecord, Usage } from "../../index.ts";
import { addUsage } from "../../log/evolve.ts";
import { forkPoint } from "../../log/lineage.ts";
import { isExpired, NO_USAGE } from "../../log/record.ts";
import { withStore } from "../context.ts";
import { everyRecord } from "../every-record.ts";
import { bytes, count, dateTime } from "../format.ts";
import { examples } from "../help.ts";
import type { Output } from "../output.ts";
import { usageText } from "../record-text.ts";
import { sizeOf } from "../store-place.ts";
import { paint } from "../style.ts";

interface Stats {
  store: string;
  sessions: number;
  byStatus: Record<string, number>;
  byKind: Record<string, number>;
  users: number;
  messages: number;
  entries: number;
  openTurns: number;
  expired: number;
  usage: Usage;
  oldest?: number;
  newest?: number;
  bytes?: number;
}

export function registerStats(program: Command): void {
  const command = program
    .command("stats")
    .summary("show what a store holds")
    .description(
      "Counts a store's sessions, messages and usage, and says how large it is where that is known.",
    );
  examples(command, [["holdfast stats", "the whole store"]]).action(
    async (_options: object, self: Command) => {
      await withStore(self, "existing", async ({ output, store, place }) => {
        const stats: Stats = {
          store: store.name,
          sessions: 0,
          byStatus: {},
          byKind: {},
          users: 0,
          messages: 0,
          entries: 0,
          openTurns: 0,
          expired: 0,
          usage: NO_USAGE,
        };
        const users = new Set<string>();
        for await (const record of everyRecord(store)) add(stats, record, users);
        stats.users = users.size;
        const size = await sizeOf(place);
        if (size !== undefined) stats.bytes = size;
        if (output.json) output.value(stats);
        else print(output, stats);
      });
    },
  );
}

function add(stats: Stats, record: SessionRecord, users: Set<string>): void {
  stats.sessions += 1;
  stats.byStatus[record.status] = (stats.byStatus[record.status] ?? 0) + 1;
  stats.byKind[record.kind] = (stats.byKind[record.kind] ?? 0) + 1;
  // What a fork inherits is its parent's.
  stats.entries += record.seq - forkPoint(record);
  stats.messages += record.messageCount;
  stats.openTurns += record.turn ? 1 : 0;
  stats.expired += isExpired(record, Date.now()) ? 1 : 0;
  stats.usage = addUsage(stats.usage, record.usage);
  if (record.userId !== undefined) users.add(record.userId);
  stats.oldest = Math.min(stats.oldest ?? record.createdAt, record.createdAt);
  stats.newest = Math.max(stats.newest ?? record.updatedAt, record.updatedAt);
}

function print(output: Output, stats: Stats): void {
  const { oldest, newest } = stats;
  const size = stats.bytes;
  const rows: [string, string][] = [
    ["store", stats.store],
    ["sessions", `${stats.sessions.toLocaleString("en-US")}${listOf(stats.byStatus)}`],
    ["kinds", listOf(stats.byKind).replace(/^ \(|\)$/g, "")],
    ["users", stats.users.toLocaleString("en-US")],
    ["messages", `${stats.messages.toLocaleString("en-US")} as each session sees them`],
    ["entries", `${stats.entries.toLocaleString("en-US")} stored`],
    ["usage", usageText(stats.usage)],
    ["turns", stats.openTurns === 0 ? "" : `${count(stats.openTurns, "turn")} open`],
    ["expired", stats.expired === 0 ? "" : `${stats.expired} wait for \`holdfast prune\``],
    ["size", size === undefined ? "" : bytes(size)],
    ["oldest", oldest === undefined ? "" : `created ${dateTime(oldest)}`],
    ["newest", newest === undefined ? "" : `updated ${dateTime(newest)}`],
  ];
  for (const [name, value] of rows) if (value !== "") output.line(`${paint("dim", name.padEnd(10))}${value}`);
}

function listOf(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, amount]) => `${amount.toLocaleString("en-US")} ${name}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
