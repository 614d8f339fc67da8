/**
 * @module
 * Entries of the raw log, a line each.
 */
import type { Entry } from "../index.ts";
import { isKnown } from "../log/entry.ts";
import { encodeValue } from "../log/values.ts";
import { cleanLine } from "./clean.ts";
import { dateTime } from "./format.ts";
import { roleOf } from "./message-blocks.ts";
import { paint, paintRole } from "./style.ts";
import { truncate } from "./table.ts";
import { messageLine } from "./transcript-text.ts";

const TYPE_WIDTH = 17;
const DATA_WIDTH = 160;

/** `#3  2025-03-01 09:30:00  message  user: Hello`. */
export function entryLine(entry: Entry, full = false): string {
  const about = entrySummary(entry);
  const position = `#${entry.seq}`.padStart(5);
  const data = full ? about.text : truncate(about.text, DATA_WIDTH);
  const role = about.role === undefined ? "" : `${paintRole(about.role, `${about.role}:`)} `;
  const id = entry.id === `#${entry.seq}` ? "" : paint("dim", `  (${cleanLine(entry.id)})`);
  const type = cleanLine(entry.type).padEnd(TYPE_WIDTH);
  return `${paint("dim", position)}  ${paint("dim", dateTime(entry.at))}  ${type}  ${role}${data}${id}`.trimEnd();
}

function entrySummary(entry: Entry): { role?: string; text: string } {
  if (isKnown(entry) && entry.type === "message") {
    const { message } = entry.data;
    return { role: cleanLine(roleOf(message)), text: messageLine(message) };
  }
  const data = cleanLine(encodeValue(entry.data ?? null));
  return { text: data === "{}" || data === "null" ? "" : data };
}
