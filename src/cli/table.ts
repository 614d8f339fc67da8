/**
 * @module
 * Tables of text, measured as terminals show it: wide characters take two columns, colours none.
 */
import stringWidth from "string-width";
import { paint } from "./style.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Gives way first where the terminal is too narrow. */
  readonly shrinks?: boolean;
}

const GAP = "  ";
const LEAST_SHRUNK = 12;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * The lines of a table, the titles first. On a terminal, columns that may shrink are cut so that a line fits;
 * elsewhere nothing is cut.
 *
 * @param cells each row's text, cleaned, without colours.
 * @param colour how to colour a cell once it has its width.
 */
export function table(
  columns: readonly Column[],
  cells: readonly (readonly string[])[],
  colour: (text: string, column: number, row: number) => string = (text) => text,
  maxWidth: number | undefined = process.stdout.isTTY ? process.stdout.columns : undefined,
): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(stringWidth(title), ...cells.map((row) => stringWidth(row[index] ?? ""))),
  );
  shrink(columns, widths, maxWidth);
  const last = columns.length - 1;
  const line = (row: readonly string[], colourCell: (text: string, column: number) => string): string =>
    columns
      .map(({ align = "left" }, index) => {
        const text = truncate(row[index] ?? "", widths[index] ?? 0);
        const space = " ".repeat(Math.max(0, (widths[index] ?? 0) - stringWidth(text)));
        const coloured = text === "" ? "" : colourCell(text, index);
        if (align === "right") return space + coloured;
        return index === last ? coloured : coloured + space;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      (text) => paint(["bold", "dim"], text),
    ),
    ...cells.map((row, index) => line(row, (text, column) => colour(text, column, index))),
  ];
}

function shrink(columns: readonly Column[], widths: number[], maxWidth: number | undefined): void {
  if (maxWidth === undefined) return;
  const total = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  for (;;) {
    const over = total() - maxWidth;
    const candidates = columns.flatMap(({ shrinks }, index) => (shrinks ? [index] : []));
    const widest = candidates.reduce<number | undefined>(
      (best, index) => (best === undefined || (widths[index] ?? 0) > (widths[best] ?? 0) ? index : best),
      undefined,
    );
    if (over <= 0 || widest === undefined || (widths[widest] ?? 0) <= LEAST_SHRUNK) return;
    widths[widest] = Math.max(LEAST_SHRUNK, (widths[widest] ?? 0) - over);
  }
}

/** `text` in at most `width` columns, with `…` where something was cut. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = stringWidth(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept.trimEnd()}…`;
}
