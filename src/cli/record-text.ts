/**
 * @module
 * A session's record for people.
 */
import type { SessionRecord, Usage } from "../index.ts";
import { forkPoint } from "../log/lineage.ts";
import { encodeValue } from "../log/values.ts";
import { cleanLine } from "./clean.ts";
import { count, dateTime, relativeTime } from "./format.ts";
import { paint, paintStatus } from "./style.ts";
import { truncate } from "./table.ts";

const NAME_WIDTH = 10;
const VALUE_WIDTH = 200;

/** The lines that say all that is known of a session without its messages. */
export function recordLines(record: SessionRecord): string[] {
  const { turn, route, step, usage, expiresAt, completedAt, hold } = record;
  const now = Date.now();
  const facts: [string, string | undefined][] = [
    ["id", cleanLine(record.id)],
    ["label", record.label && cleanLine(record.label)],
    ["status", paintStatus(record.status)],
    ["kind", kindText(record)],
    ["user", record.userId && cleanLine(record.userId)],
    ["agent", record.agent && cleanLine(record.agent)],
    [
      "messages",
      `${record.messageCount} (${count(record.seq, "entry", "entries")}, version ${record.version})`,
    ],
    ["usage", usageText(usage)],
    ["created", dateTime(record.createdAt)],
    ["updated", `${dateTime(record.updatedAt)} (${relativeTime(record.updatedAt, now)})`],
    ["completed", completedAt === undefined ? undefined : dateTime(completedAt)],
    ["expires", expiresAt === undefined ? undefined : dateTime(expiresAt)],
    [
      "held",
      hold && (hold.until ?? now + 1) > now
        ? `${cleanLine(hold.reason)}, since ${dateTime(hold.since)}${hold.until === undefined ? "" : `, until ${dateTime(hold.until)}`}`
        : undefined,
    ],
    [
      "turn",
      turn &&
        (turn.until > now
          ? `in progress by ${cleanLine(turn.owner)}, leased until ${dateTime(turn.until)}`
          : paint(
              "yellow",
              `interrupted: ${cleanLine(turn.owner)} has given no sign since ${dateTime(turn.until)}`,
            )),
    ],
    ["route", route && cleanLine(`${route.title ?? route.id}${step ? ` › ${step.id}` : ""}`)],
    ["data", jsonOf(record.data)],
    ["state", jsonOf(record.state)],
    ["metadata", jsonOf(record.metadata)],
  ];
  return facts.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${paint("dim", name.padEnd(NAME_WIDTH))}${value}`],
  );
}

function kindText(record: SessionRecord): string {
  const parent = record.parentId === undefined ? "" : cleanLine(record.parentId);
  if (record.kind === "fork") return `fork of ${parent} at #${forkPoint(record)}`;
  return record.kind === "child" && parent !== "" ? `child of ${parent}` : record.kind;
}

/** `1,200 in, 300 out, $0.0123`; empty where nothing was spent. */
export function usageText({ inputTokens, outputTokens, totalTokens, costUsd }: Usage): string {
  if (totalTokens === 0 && !costUsd) return "";
  const tokens = `${inputTokens.toLocaleString("en-US")} tokens in, ${outputTokens.toLocaleString("en-US")} out`;
  return costUsd === undefined ? tokens : `${tokens}, $${costUsd.toFixed(4)}`;
}

function jsonOf(value: object): string | undefined {
  if (Object.keys(value).length === 0) return undefined;
  return truncate(cleanLine(encodeValue(value)), VALUE_WIDTH);
}
