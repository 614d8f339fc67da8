/** The house of docs/decisions.md: imports run one way, and the core pulls in no package. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const source = join(import.meta.dirname, "../../src");

/** For each room, the rooms that it may import. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  log: [],
  store: ["log"],
  stores: ["log", "store"],
  layers: ["log", "store"],
  session: ["log", "store", "stores", "layers"],
  agent: ["log", "store", "session"],
  integrations: ["log", "store", "session"],
  server: ["log", "store", "session"],
  cli: ["log", "store", "stores", "layers", "session", "agent", "integrations", "server"],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);
const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(source, from), "utf8").replaceAll(/^\s*(\*|\/\/).*$/gm, "");
  return [...text.matchAll(/(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|getBuiltinModule\()"([^"\s,]+)"/g)].map(
    (match) => ({
      from,
      to: match[1]?.startsWith(".")
        ? relative(source, join(source, dirname(from), match[1]))
        : String(match[1]),
    }),
  );
});
const roomOf = (file: string): string => (file.includes("/") ? String(file.split("/")[0]) : "index");

test("there are files and imports to look at", () => {
  expect(files.length).toBeGreaterThan(40);
  expect(imports.length).toBeGreaterThan(100);
});

test("every file is in a room that the house has", () => {
  expect(files.filter((file) => file !== "index.ts" && !(roomOf(file) in ROOMS))).toEqual([]);
});

test("imports run one way, from the outer rooms to the inner ones", () => {
  const wrong = imports.filter(({ from, to }) => {
    const room = roomOf(from);
    if (!to.endsWith(".ts") || room === "index" || roomOf(to) === room) return false;
    // The command line is a user of the library, so it may use what users have.
    if (to === "index.ts") return room !== "cli";
    return !ROOMS[room]?.includes(roomOf(to));
  });
  expect(wrong).toEqual([]);
});

test("the log and the contract import nothing of Node but node:crypto", () => {
  const inner = imports.filter(
    ({ from, to }) => ["log", "store"].includes(roomOf(from)) && !to.endsWith(".ts"),
  );
  expect([...new Set(inner.map(({ to }) => to))]).toEqual(["node:crypto"]);
});

test("no import goes in a circle between files of different rooms", () => {
  const rank = Object.keys(ROOMS);
  const back = imports.filter(
    ({ from, to }) =>
      to.endsWith(".ts") &&
      roomOf(to) !== "index" &&
      rank.indexOf(roomOf(to)) > rank.indexOf(roomOf(from)) &&
      roomOf(from) !== "index",
  );
  expect(back).toEqual([]);
});

test("the core, the stores and the layers import no package: callers pass their own client", () => {
  const packages = imports.filter(
    ({ from, to }) => roomOf(from) !== "cli" && !to.endsWith(".ts") && !to.startsWith("node:"),
  );
  // By a call, where a store is asked to make a client of its own.
  const called = packages.filter(
    ({ from, to }) =>
      ["stores", "layers"].includes(roomOf(from)) &&
      readFileSync(join(source, from), "utf8").includes(`import("${to}")`),
  );
  const calledIn = (room: string): Set<string> =>
    new Set(called.filter(({ from }) => roomOf(from) === room).map(({ to }) => to));
  expect(calledIn("stores")).toEqual(
    new Set(["pg", "mysql2/promise", "ioredis", "mongodb", "@opensearch-project/opensearch"]),
  );
  expect(calledIn("layers")).toEqual(
    new Set([
      "@aws-sdk/client-s3",
      "@opentelemetry/api",
      "@secretlint/secretlint-rule-preset-recommend",
      "libphonenumber-js/max",
    ]),
  );
  const others = packages.filter((one) => !called.includes(one));
  // It has no dependencies and is bundled with the one layer that needs it.
  const bundled = others.filter(({ to }) => to === "cockatiel");
  expect(new Set(bundled.map(({ from }) => from))).toEqual(new Set(["layers/fallback/gate.ts"]));
  const own = others.filter((one) => !bundled.includes(one));
  expect(own.filter(({ from }) => roomOf(from) !== "agent")).toEqual([]);
  // Agents are for users of the AI SDK, and of nothing else. From its interface of models there are only types.
  expect(new Set(own.map(({ to }) => to))).toEqual(new Set(["ai", "@ai-sdk/provider"]));
});

test("no engine is named outside its own file", () => {
  const inner = files.filter((file) => ["log", "store", "session"].includes(roomOf(file)));
  const sniffing = inner.filter((file) =>
    /store\.name\s*[!=]==/.test(readFileSync(join(source, file), "utf8")),
  );
  expect(sniffing).toEqual([]);
});

test("importing the core loads no engine but memory and file", () => {
  const loaded = new Set<string>();
  const open = ["index.ts"];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    const text = readFileSync(join(source, file), "utf8").replaceAll(/^\s*(\*|\/\/).*$/gm, "");
    // What is imported by a call is loaded when it is asked for; a type is never loaded.
    for (const [, to = ""] of text.matchAll(/^(?:import|export)(?! type)[^;]*?\bfrom\s*"(\.[^"]+)"/gm)) {
      open.push(relative(source, join(source, dirname(file), to)));
    }
  }
  expect(loaded.size).toBeGreaterThan(20);
  expect([...loaded].filter((file) => /^stores\/sql/.test(file))).toEqual([]);
});
