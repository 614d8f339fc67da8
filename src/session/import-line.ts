/**
 * @module
 * One line of an export, read with suspicion: it may be cut, of another program, or made up.
 */
import type { Entry, EntryType } from "../log/entry.ts";
import { positionOf } from "../log/entry.ts";
import { invalidArgument, messageOf } from "../log/errors.ts";
import { checkId, decodeValue, freeze, isPlainObject } from "../log/values.ts";

export const FORMAT = 1;

export interface Header {
  readonly session: string;
  readonly entries: number;
}

export function parseHeader(line: unknown): Header {
  const value = parse(line, 1);
  if (!isPlainObject(value) || value["holdfast"] === undefined) {
    throw invalidArgument(
      "line 1 is no header of a Holdfast export; other formats are read by the command `holdfast import`",
    );
  }
  const { holdfast, session, entries } = value;
  if (holdfast !== FORMAT) {
    throw invalidArgument(
      `the export is of format ${String(holdfast)} and this program reads ${FORMAT}; update it`,
    );
  }
  if (typeof entries !== "number") {
    throw invalidArgument("line 1: the header does not say how many entries there are");
  }
  return { session: checkId(session, "session id in the header"), entries };
}

/** The entry of a line, which must be the one at `seq`. */
export function parseEntry(line: unknown, number: number, seq: number): Entry {
  const refuse = (why: string): Error => invalidArgument(`line ${number} ${why}; nothing was imported`);
  const value = parse(line, number);
  if (!isEntry(value)) throw refuse("is no entry of a log");
  const { id, type, data } = value;
  if (value.seq !== seq) throw refuse(`holds entry ${value.seq} where ${seq} must stand`);
  if (seq === 1 && type !== "session.created") {
    throw refuse(`holds ${JSON.stringify(type)} where a log begins with session.created`);
  }
  if ((positionOf(checkId(id, `id on line ${number}`)) ?? seq) !== seq)
    throw refuse(`names another position as its id`);
  if (!type.startsWith("x.")) {
    const shape: Shape | undefined = Object.hasOwn(SHAPES, type)
      ? Object.entries(SHAPES).find(([name]) => name === type)?.[1]
      : undefined;
    if (shape === undefined)
      throw refuse(`holds an entry of type ${JSON.stringify(type)}, which this program does not know`);
    const wrong = misfit(data, shape);
    if (wrong !== undefined) throw refuse(`is no ${type}: its ${wrong} is not what it must be`);
  }
  return freeze(value);
}

function parse(line: unknown, number: number): unknown {
  if (typeof line !== "string")
    throw invalidArgument(`line ${number} is no text but ${typeof line}; nothing was imported`);
  try {
    return decodeValue(line);
  } catch (error) {
    throw invalidArgument(`line ${number} can't be read: ${messageOf(error)}; nothing was imported`);
  }
}

function isEntry(value: unknown): value is Entry {
  return (
    isPlainObject(value) &&
    Number.isSafeInteger(value["seq"]) &&
    typeof value["id"] === "string" &&
    typeof value["type"] === "string" &&
    Number.isFinite(value["at"]) &&
    Object.hasOwn(value, "data") &&
    ["undefined", "string"].includes(typeof value["text"]) &&
    ["undefined", "string"].includes(typeof value["commit"])
  );
}

type Kind = "string" | "number" | "object" | "array" | Shape;
/** What an entry's data must hold; a name that ends with `?` may be absent. */
interface Shape {
  readonly [key: string]: Kind;
}

const CONVERSATION: Shape = {
  messageCount: "number",
  "lastMessageAt?": "number",
  data: "object",
  dataByRoute: "object",
  "route?": { id: "string" },
  "step?": { id: "string" },
  routeHistory: "array",
  state: "object",
  "compactedUpTo?": "number",
  "revisedUpTo?": "number",
  "dataVersion?": "number",
};
const TURN: Shape = { turnId: "string", owner: "string", until: "number" };

const SHAPES: Readonly<Record<Exclude<EntryType, "session.deleted">, Shape>> = {
  "session.created": {
    id: "string",
    namespace: "string",
    kind: "string",
    "parentId?": "string",
    "lineage?": "array",
    "userId?": "string",
    "agent?": "string",
    "label?": "string",
    "metadata?": "object",
    dataVersion: "number",
    "expiresAt?": "number",
    "hold?": { reason: "string", since: "number", "until?": "number", "expiresAt?": "number" },
    "base?": CONVERSATION,
  },
  message: { message: "object", "turnId?": "string" },
  "message.revised": { seq: "number", message: "object" },
  "message.removed": { seq: "number" },
  "messages.cleared": { count: "number" },
  "history.rewound": { to: "number", count: "number", restored: CONVERSATION },
  "history.compacted": { upTo: "number", messages: "array" },
  "data.patched": { patch: "object", "route?": "string" },
  "data.replaced": { data: "object", "dataVersion?": "number" },
  "data.cleared": {},
  "route.entered": { route: { id: "string" }, "step?": { id: "string" } },
  "step.entered": { step: { id: "string" } },
  "route.completed": { routeId: "string" },
  "metadata.patched": { patch: "object" },
  "label.set": { label: "string" },
  "status.set": { status: "string" },
  "expiry.set": { "expiresAt?": "number" },
  "hold.set": { reason: "string", "until?": "number" },
  "hold.released": {},
  "state.set": { slot: "string" },
  "usage.added": { usage: "object" },
  "turn.started": TURN,
  "turn.extended": TURN,
  "turn.ended": { turnId: "string", outcome: "string" },
  "checkpoint.created": { name: "string", "metadata?": "object" },
  "operation.applied": { digest: "string", count: "number", version: "number" },
  "lineage.erased": { id: "string", count: "number" },
};

/** The name of what in `data` is not as `shape` has it; "data" for all of it. */
function misfit(data: unknown, shape: Shape): string | undefined {
  if (!isPlainObject(data)) return "data";
  for (const [name, kind] of Object.entries(shape)) {
    const key = name.replace("?", "");
    const value = Object.hasOwn(data, key) ? data[key] : undefined;
    if (value === undefined && key !== name) continue;
    if (typeof kind === "object") {
      const within = misfit(value, kind);
      if (within !== undefined) return within === "data" ? key : `${key}.${within}`;
    } else if (
      kind === "object"
        ? !isPlainObject(value)
        : kind === "array"
          ? !Array.isArray(value)
          : typeof value !== kind
    ) {
      return key;
    }
  }
  return undefined;
}
