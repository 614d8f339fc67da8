/**
 * @module
 * Random values, messages and entries.
 */
import fc from "fast-check";
import type { Entry, StoredObject } from "../../src/log/entry.ts";
import type { Conversation } from "../../src/log/record.ts";
import { entryOf } from "./build-log.ts";

/** Any text that JavaScript can hold: NUL, emoji and halves of surrogate pairs too. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom("", "\0", "\uD800", "\uDC00x", "\uFEFF", "é", "e\u0301", "👩‍👩‍👧", "$holdfast"),
);

export const anyKey: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: anyText },
  fc.nat({ max: 30 }).map(String),
  fc.constantFrom(
    "__proto__",
    "$holdfast",
    "constructor",
    "toString",
    "hasOwnProperty",
    "456",
    "-1",
    "01",
    "a.b",
    "$set",
  ),
);

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, null, true, false, Number.MAX_SAFE_INTEGER, 5e-324),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array(),
);

/** An object with `entries` as its own, whatever their keys. */
export function objectOf<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries);
}

function nested(of: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      of,
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(anyKey, tie("value")), { maxLength: 4 }).map(objectOf),
      fc.tuple(fc.constant("$holdfast"), tie("value")).map((entry) => objectOf([entry])),
      fc.constantFrom(
        ...["date", "bigint", "bytes", "number", "object", "other"].map((kind) => ({
          $holdfast: [kind, "1"],
        })),
      ),
    ),
  })).value;
}

/** Any value that can be stored and comes back the same. */
export const storable: fc.Arbitrary<unknown> = nested(leaf);
/** The same with `undefined` in it, which is treated as JSON treats it. */
export const storableOrUndefined: fc.Arbitrary<unknown> = nested(fc.oneof(leaf, fc.constant(undefined)));
/** What JSON can say, and `undefined`. */
export const jsonOrUndefined: fc.Arbitrary<unknown> = nested(
  fc.oneof(anyText, fc.integer(), fc.constantFrom(null, true, undefined)),
);
export const storableObject: fc.Arbitrary<StoredObject> = fc
  .array(fc.tuple(anyKey, storable), { maxLength: 3 })
  .map(objectOf);

/** A small message; few differ, so that many are the same. */
export const message: fc.Arbitrary<StoredObject> = fc.record(
  { role: fc.constantFrom("user", "assistant"), content: fc.constantFrom("a", "b", "c") },
  { noNullPrototype: true },
);

const name = fc.constantFrom("a", "b", "__proto__", "456");
const count = fc.nat({ max: 5 });
const usage = fc.record(
  {
    inputTokens: count,
    outputTokens: count,
    cachedInputTokens: count,
    reasoningTokens: count,
    totalTokens: count,
    costUsd: fc.nat({ max: 100 }).map((cents) => cents / 64),
  },
  { requiredKeys: [] },
);
const routeReference = fc.record({ id: name, title: fc.constant("A title") }, { requiredKeys: ["id"] });
const step = fc.record({ id: name });
const dictionary = fc.dictionary(name, storable, { maxKeys: 3 });
const times = fc.nat({ max: 10_000 });

const conversation: fc.Arbitrary<Conversation> = fc.record(
  {
    messageCount: count,
    lastMessageAt: times,
    data: dictionary,
    dataVersion: fc.integer({ min: 1, max: 3 }),
    dataByRoute: fc.dictionary(name, dictionary, { maxKeys: 2 }),
    route: routeReference,
    step,
    routeHistory: fc.array(fc.record({ route: name, enteredAt: times }), { maxLength: 2 }),
    state: dictionary,
    compactedUpTo: count,
    revisedUpTo: count,
  },
  { requiredKeys: ["messageCount", "data", "dataByRoute", "routeHistory", "state"] },
);

const owner = fc.constantFrom("worker-1", "worker-2");
/** What an entry of each type holds, also of types that do not exist (yet). */
const dataOf: Record<string, fc.Arbitrary<unknown>> = {
  message: fc.record({ message, turnId: name }, { requiredKeys: ["message"] }),
  "message.revised": fc.record({ seq: fc.nat({ max: 40 }), message }),
  "message.removed": fc.record({ seq: fc.nat({ max: 40 }) }),
  "messages.cleared": fc.record({ count }),
  "history.rewound": fc.record({ to: fc.nat({ max: 40 }), count, restored: conversation }),
  "history.compacted": fc.record({
    upTo: fc.nat({ max: 40 }),
    messages: fc.array(message, { maxLength: 2 }),
  }),
  "data.patched": fc.record({ patch: dictionary, route: name }, { requiredKeys: ["patch"] }),
  "data.replaced": fc.record({ data: dictionary, dataVersion: count }, { requiredKeys: ["data"] }),
  "data.cleared": fc.constant({}),
  "route.entered": fc.record({ route: routeReference, step }, { requiredKeys: ["route"] }),
  "step.entered": fc.record({ step }),
  "route.completed": fc.record({ routeId: name }),
  "metadata.patched": fc.record({ patch: dictionary }),
  "label.set": fc.record({ label: name, automatic: fc.boolean() }),
  "status.set": fc.record({ status: fc.constantFrom("active", "completed", "abandoned") }),
  "expiry.set": fc.record({ expiresAt: times }, { requiredKeys: [] }),
  "state.set": fc.record({ slot: name, value: storable }, { requiredKeys: ["slot"] }),
  "usage.added": fc.record({ usage }),
  "turn.started": fc.record({ turnId: name, owner, until: times }),
  "turn.extended": fc.record({ turnId: name, owner, until: times }),
  "turn.ended": fc.record({ turnId: name, outcome: fc.constantFrom("completed", "failed") }),
  "checkpoint.created": fc.record({ name }),
  "operation.applied": fc.record({ digest: name, count, version: count }),
  "session.deleted": fc.constant({}),
  "session.created": fc.record(
    {
      id: name,
      namespace: name,
      kind: fc.constantFrom("session", "fork"),
      parentId: name,
      label: name,
      metadata: dictionary,
      dataVersion: fc.integer({ min: 1, max: 3 }),
      expiresAt: times,
      base: conversation,
    },
    { requiredKeys: ["id", "namespace", "kind", "dataVersion"] },
  ),
  "lineage.erased": fc.record({ id: fc.constantFrom("root", "middle", "other"), count }),
  "x.note": storable,
  "message.pinned": storable,
  "future.thing": fc.constant(undefined),
};

/** The rest of a log, of entries that need not make sense together, past position `after`. */
export function anyEntries(after = 1): fc.Arbitrary<Entry[]> {
  const draft = fc.oneof(
    ...Object.entries(dataOf).map(([type, data]) => fc.tuple(fc.constant(type), data, fc.boolean(), times)),
  );
  return fc
    .array(draft, { maxLength: 40 })
    .map((drafts) =>
      drafts.map(([type, data, begins, at], index) =>
        entryOf(type, data, after + 1 + index, { at, ...(begins && { commit: `commit-${index}` }) }),
      ),
    );
}
