/**
 * @module
 * Colours, on streams that show them. `NO_COLOR` and `FORCE_COLOR` are obeyed by `styleText` itself.
 *
 * @see https://no-color.org
 */
import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** `text` for stdout, coloured where it is a terminal that shows colours. */
export function paint(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/** `text` for stderr. */
export function paintError(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stderr });
}

const ROLES = new Map<string, Format>([
  ["system", "magenta"],
  ["developer", "magenta"],
  ["user", "cyan"],
  ["assistant", "green"],
  ["tool", "yellow"],
]);

/** `text` in the colour of who speaks. */
export function paintRole(role: string, text: string): string {
  return paint(["bold", ...[ROLES.get(role) ?? "white"].flat()], text);
}

const STATUSES = new Map<string, Format>([
  ["active", "green"],
  ["completed", "blue"],
  ["abandoned", "yellow"],
  ["deleted", "red"],
]);

export function paintStatus(status: string): string {
  return paint(STATUSES.get(status) ?? "white", status);
}
