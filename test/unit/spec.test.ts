/**
 * The spec and the conformance suite agree: every case cites a clause that exists, and every clause that a store alone
 * keeps has a case.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { conformanceCases } from "../../src/store/conformance/index.ts";

const spec = readFileSync(new URL("../../docs/spec.md", import.meta.url), "utf8");
const clauses = [...spec.matchAll(/^- \*\*([A-Z]\d+)\*\* (.*)$/gm)].map(([, number = "", text = ""]) => ({
  number,
  text,
}));

test("each clause is numbered once, and each group without a gap", () => {
  const groups = Map.groupBy(clauses, ({ number }) => number.charAt(0));
  expect([...groups.keys()]).toEqual([
    "L",
    "C",
    "R",
    "Q",
    "F",
    "D",
    "X",
    "V",
    "E",
    "N",
    "S",
    "W",
    "T",
    "H",
    "B",
    "K",
    "O",
    "P",
    "M",
  ]);
  for (const [letter, group] of groups) {
    expect(group.map(({ number }) => number)).toEqual(group.map((_, index) => `${letter}${index + 1}`));
  }
});

test("each case cites a clause of the spec", () => {
  const known = new Set(clauses.map(({ number }) => number));
  expect(
    conformanceCases.filter(({ clause }) => !known.has(clause)).map(({ key, clause }) => `${key} ${clause}`),
  ).toEqual([]);
});

test("each clause that a store alone keeps has a case", () => {
  const proved = new Set(conformanceCases.map(({ clause }) => clause));
  const unproved = clauses.filter(
    ({ number, text }) => !proved.has(number) && !/^\*\((session|engine|layer)\)\*/.test(text),
  );
  expect(unproved.map(({ number }) => number)).toEqual([]);
});

test("each case has a key and a title of its own", () => {
  for (const field of ["key", "title"] as const) {
    const values = conformanceCases.map((item) => `${item.key.split("/")[0]} ${item[field]}`);
    expect(values.filter((value, index) => values.indexOf(value) !== index)).toEqual([]);
  }
  expect(
    conformanceCases.filter(({ key }) => !/^[a-z]+\/[a-z0-9]+(-[a-z0-9]+)*$/.test(key)).map(({ key }) => key),
  ).toEqual([]);
});
