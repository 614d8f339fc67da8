/**
 * @module
 * `holdfast tree`: sessions with their forks and children.
 */
import type { Command } from "commander";
import stringWidth from "string-width";
import type { SessionRecord, SessionStore } from "../../index.ts";
import { isKnown } from "../../log/entry.ts";
import { forkPoint } from "../../log/lineage.ts";
import { isExpired } from "../../log/record.ts";
import { cleanLine } from "../clean.ts";
import { withStore } from "../context.ts";
import { everyRecord } from "../every-record.ts";
import { count, relativeTime } from "../format.ts";
import { examples } from "../help.ts";
import { resolveRecord, shortIds } from "../ids.ts";
import type { Output } from "../output.ts";
import { paint, paintStatus } from "../style.ts";
import { truncate } from "../table.ts";
import { messageLine } from "../transcript-text.ts";

interface Node {
  readonly record: SessionRecord;
  /** What the last inherited entry says, where it is a message. */
  readonly forkedAfter?: string;
  readonly branches: Node[];
}

const FORK_TEXT_WIDTH = 40;
const LEAST_LABEL_WIDTH = 12;
const GAP = "  ";

export function registerTree(program: Command): void {
  const command = program
    .command("tree")
    .argument("[id]", "a session of the tree, by its id or its beginning (default: all)")
    .summary("show forks and children as a tree")
    .description(
      "Shows sessions as trees: forks with the place that they were forked at, and child sessions.",
    );
  examples(command, [
    ["holdfast tree", "every session"],
    ["holdfast tree 019a3f", "the whole tree that one session is part of"],
  ]).action(async (id: string | undefined, _options: object, self: Command) => {
    await withStore(self, "existing", async ({ output, sessions, store }) => {
      await showTree(
        output,
        store,
        id === undefined ? undefined : await resolveRecord(sessions, id, "deleted"),
      );
    });
  });
}

/** Prints every tree, or the one that `member` is part of. */
export async function showTree(output: Output, store: SessionStore, member?: SessionRecord): Promise<void> {
  const records = await recordsById(store);
  const wanted = member && rootOf(member, records);
  const roots = [...records.values()].filter((record) =>
    wanted === undefined ? parentOf(record, records) === undefined : record.id === wanted.id,
  );
  const byParent = Map.groupBy(records.values(), ({ parentId }) => parentId ?? "");
  const nodes: Node[] = [];
  for (const root of roots) nodes.push(await nodeOf(store, root, byParent, new Set()));
  if (output.json) for (const node of nodes) output.value(node);
  else printNodes(output, nodes);
  if (nodes.length === 0) output.note("no sessions");
}

/** All records that count by id, newest first, those that are kept for their forks included. */
export async function recordsById(store: SessionStore): Promise<Map<string, SessionRecord>> {
  const records: SessionRecord[] = [];
  const now = Date.now();
  for await (const record of everyRecord(store)) if (!isExpired(record, now)) records.push(record);
  return new Map(records.sort((a, b) => b.createdAt - a.createdAt).map((record) => [record.id, record]));
}

function parentOf(
  record: SessionRecord,
  records: ReadonlyMap<string, SessionRecord>,
): SessionRecord | undefined {
  return record.parentId === undefined ? undefined : records.get(record.parentId);
}

function rootOf(record: SessionRecord, records: ReadonlyMap<string, SessionRecord>): SessionRecord {
  const seen = new Set<string>();
  let root = record;
  for (let next = parentOf(root, records); next && !seen.has(next.id); next = parentOf(root, records)) {
    seen.add(next.id);
    root = next;
  }
  return root;
}

async function nodeOf(
  store: SessionStore,
  record: SessionRecord,
  byParent: ReadonlyMap<string, readonly SessionRecord[]>,
  above: ReadonlySet<string>,
): Promise<Node> {
  const branches: Node[] = [];
  const within = new Set(above).add(record.id);
  const own = (byParent.get(record.id) ?? []).filter(({ id }) => !within.has(id));
  for (const branch of own.toSorted((a, b) => forkPoint(a) - forkPoint(b) || a.createdAt - b.createdAt)) {
    branches.push(await nodeOf(store, branch, byParent, within));
  }
  const forkedAfter = record.kind === "fork" ? await forkText(store, record) : undefined;
  return { record, ...(forkedAfter !== undefined && { forkedAfter }), branches };
}

async function forkText(store: SessionStore, record: SessionRecord): Promise<string | undefined> {
  const part = record.lineage.at(-1);
  if (part === undefined || part.erased) return undefined;
  const [entry] = await store.read(part.id, { after: part.upTo - 1, upTo: part.upTo, limit: 1 });
  return entry && isKnown(entry) && entry.type === "message" ? messageLine(entry.data.message) : undefined;
}

function printNodes(output: Output, nodes: readonly Node[]): void {
  const all: SessionRecord[] = [];
  const collect = (node: Node): void => {
    all.push(node.record);
    node.branches.forEach(collect);
  };
  nodes.forEach(collect);
  const ids = shortIds(all.map(({ id }) => id));
  const print = (node: Node, lead: string, branch: string, below: string): void => {
    output.line(`${paint("dim", lead + branch)}${nodeLine(node, ids, lead.length + branch.length)}`);
    node.branches.forEach((next, index) => {
      const last = index === node.branches.length - 1;
      print(next, lead + below, last ? "└─ " : "├─ ", last ? "   " : "│  ");
    });
  };
  for (const node of nodes) print(node, "", "", "");
}

/** One line, cut at the label where it would be wider than the terminal. */
function nodeLine({ record, forkedAfter }: Node, ids: ReadonlyMap<string, string>, indent: number): string {
  const { id, label, status, kind, messageCount, updatedAt, turn } = record;
  const said = forkedAfter === undefined ? "" : ` “${truncate(forkedAfter, FORK_TEXT_WIDTH)}”`;
  const turnText = turn && (turn.until > Date.now() ? "in a turn" : "interrupted");
  const parts: [string, (text: string) => string][] = [
    [cleanLine(ids.get(id) ?? id), (text) => paint("yellow", text)],
    [cleanLine(label ?? ""), (text) => text],
    [kind === "fork" ? `fork at #${forkPoint(record)}${said}` : "", (text) => paint("magenta", text)],
    [kind === "child" ? "child" : "", (text) => paint("blue", text)],
    [`${count(messageCount, "message")}, ${relativeTime(updatedAt)}`, (text) => paint("dim", text)],
    [status === "active" ? "" : status, paintStatus],
    [turnText ?? "", (text) => paint("yellow", text)],
  ];
  const shown = parts.filter(([text]) => text !== "");
  const width = indent + shown.reduce((sum, [text]) => sum + stringWidth(text) + GAP.length, -GAP.length);
  const over = process.stdout.isTTY ? width - process.stdout.columns : 0;
  return shown
    .map((part) => {
      const [text, colour] = part;
      if (part !== parts[1] || over <= 0) return colour(text);
      return colour(truncate(text, Math.max(LEAST_LABEL_WIDTH, stringWidth(text) - over)));
    })
    .join(GAP);
}
