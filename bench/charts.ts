/**
 * @module
 * Charts of the results, as SVG that draws its own background and so can be read on a light page and on a dark one.
 */
import type { Row } from "./rows.ts";

interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written at its end. */
  readonly text: string;
  readonly kind: "ours" | "other";
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly groups: readonly Group[];
  /** Each bar is ten times as long for a tenfold value, or one step longer. */
  readonly scale: "linear" | "logarithmic";
  /** A line across all bars. */
  readonly mark?: { readonly value: number; readonly label: string };
}

/** File names and their SVG. */
export function charts(rows: readonly Row[]): [name: string, svg: string][] {
  return [
    ["append-by-length.svg", draw(perLength(rows, "one append", "The time of one append", milliseconds))],
    [
      "written-by-length.svg",
      draw(perLength(rows, "written per append", "What one append writes", kilobytes)),
    ],
    ["append-beside-floor.svg", draw(besideFloor(rows))],
  ];
}

function perLength(
  rows: readonly Row[],
  what: string,
  title: string,
  text: (value: number) => string,
): Chart {
  const found = rows.filter(({ suite, measure }) => suite === "peers" && measure.includes(`: ${what}, `));
  const lengths = [...new Set(found.map(({ measure }) => measure.split(":")[0] ?? ""))];
  return {
    title,
    subtitle: "by the length of the conversation; messages in the sizes of tau-bench, durable; log scale",
    scale: "logarithmic",
    groups: lengths.map((length) => ({
      title: `after ${length}`,
      bars: found
        .filter(({ measure }) => measure.startsWith(`${length}:`) && !measure.endsWith("without fsync"))
        .map(({ measure, value }): Bar => {
          const label = measure.split(", ").at(-1) ?? "";
          const isOurs = label.startsWith("Holdfast");
          return {
            label: isOurs ? label : "whole-file rewrite",
            value,
            text: text(value),
            kind: isOurs ? "ours" : "other",
          };
        }),
    })),
  };
}

function besideFloor(rows: readonly Row[]): Chart {
  const ending = ": append ÷ floor";
  return {
    title: "One append, as a multiple of the engine driven by hand",
    subtitle: "floor: a guarded UPDATE and an INSERT in a transaction; a line appended to an open file",
    scale: "linear",
    mark: { value: 1, label: "floor" },
    groups: [
      {
        title: "",
        bars: rows
          .filter(({ measure }) => measure.endsWith(ending))
          .map(({ measure, value }): Bar => {
            return {
              label: measure.slice(0, -ending.length),
              value,
              text: `${value.toFixed(2)}×`,
              kind: "ours",
            };
          }),
      },
    ],
  };
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

function kilobytes(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(1)} MB` : `${value.toFixed(value < 10 ? 1 : 0)} kB`;
}

const WIDTH = 720;
const LEFT = 170;
const RIGHT = 90;
const BAR_HEIGHT = 18;
const STYLE = `
    .page { fill: #ffffff; stroke: #d0d7de; }
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; }
    .quiet { fill: #59636e; font-size: 12px; }
    .ours { fill: #1a7f5a; }
    .other { fill: #8c959f; }
    .mark { stroke: #59636e; stroke-dasharray: 4 3; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d; }
      text { fill: #f0f6fc; }
      .quiet { fill: #9198a1; }
      .ours { fill: #3fb98a; }
      .other { fill: #656c76; }
      .mark { stroke: #9198a1; }
    }`;

function draw({ title, subtitle, groups, scale, mark }: Chart): string {
  const length = lengthOf(
    groups.flatMap(({ bars }) => bars.map(({ value }) => value)),
    scale,
  );
  const parts: string[] = [];
  let y = 66;
  const top = y;
  for (const group of groups) {
    if (group.title !== "") {
      parts.push(`<text x="20" y="${y + 12}" class="quiet">${escaped(group.title)}</text>`);
      y += 22;
    }
    for (const { label, value, text, kind } of group.bars) {
      const width = length(value).toFixed(1);
      const end = (LEFT + length(value) + 8).toFixed(1);
      parts.push(
        `<text x="${LEFT - 10}" y="${y + 13}" text-anchor="end">${escaped(label)}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2" class="${kind}"/>`,
        `<text x="${end}" y="${y + 13}">${escaped(text)}</text>`,
      );
      y += BAR_HEIGHT + 6;
    }
    y += 12;
  }
  if (mark) {
    const x = (LEFT + length(mark.value)).toFixed(1);
    parts.push(
      `<line x1="${x}" y1="${top - 4}" x2="${x}" y2="${y - 6}" class="mark"/>`,
      `<text x="${x}" y="${y + 8}" text-anchor="middle" class="quiet">${escaped(mark.label)}</text>`,
    );
    y += 16;
  }
  const height = y + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
  <style>${STYLE}
  </style>
  <rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6" class="page"/>
  <text x="20" y="30" class="title">${escaped(title)}</text>
  <text x="20" y="50" class="quiet">${escaped(subtitle)}</text>
  ${parts.join("\n  ")}
</svg>
`;
}

/** The length of a bar in pixels. On a logarithmic scale the shortest bar is a tenth of a decade below its own value. */
function lengthOf(all: readonly number[], scale: Chart["scale"]): (value: number) => number {
  const most = Math.max(...all);
  const room = WIDTH - LEFT - RIGHT;
  if (scale === "linear") return (value) => (value / most) * room;
  const least = Math.min(...all) / 2;
  return (value) => (Math.log(value / least) / Math.log(most / least)) * room;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
