/** What all layers do alike: conformance of one that changes nothing, order, namespaces of their own. */
import { describe, expect, test } from "vitest";
import { encryptedStore } from "../../src/layers/encrypted.ts";
import { fallbackStore } from "../../src/layers/fallback.ts";
import type { LayerName } from "../../src/layers/layer.ts";
import { internal, isSealed, layerOver } from "../../src/layers/layer.ts";
import { offloadedStore } from "../../src/layers/offloaded.ts";
import { tracedStore } from "../../src/layers/otel.ts";
import { redactedStore } from "../../src/layers/redacted.ts";
import { begin } from "../../src/store/conformance/build.ts";
import type { SessionStore } from "../../src/store/store.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { layerConforms } from "./harness.ts";

await layerConforms("nothing", import.meta.resolve("./nothing-wrap.ts"), ["memory", "sqlite"]);

const around = (layer: LayerName, inner: SessionStore): SessionStore => layerOver(layer, inner, () => ({}));
const stack = (...layers: LayerName[]): SessionStore =>
  layers.reduceRight((inner: SessionStore, layer) => around(layer, inner), memoryStore());

describe("order", () => {
  test("layers are named outermost first", () => {
    const store = stack("traced", "redacted", "encrypted", "offloaded", "fallback");
    expect(store.layers).toEqual(["traced", "redacted", "encrypted", "offloaded", "fallback"]);
    expect(store.namespace("a").layers).toEqual(store.layers);
    expect(store.name).toBe("memory");
  });

  for (const [outer, inner] of [
    ["redacted", "redacted"],
    ["encrypted", "encrypted"],
    ["encrypted", "redacted"],
    ["offloaded", "offloaded"],
    ["offloaded", "redacted"],
    ["offloaded", "encrypted"],
    ["fallback", "fallback"],
    ["fallback", "redacted"],
    ["fallback", "encrypted"],
  ] as const) {
    test(`${outer} is refused around ${inner}, with the reason`, () => {
      expect(() => stack(outer, "traced", inner)).toThrow(
        new RegExp(`^${outer} can't go around ${inner}: .{20}`),
      );
    });
  }

  test("a fallback goes around blobs too, and tracing around anything", () => {
    expect(stack("fallback", "offloaded").layers).toEqual(["fallback", "offloaded"]);
    expect(stack("encrypted", "traced", "fallback", "traced").layers).toHaveLength(4);
  });
});

describe("what a layer above has bound to its place", () => {
  const [envelope, at] = [`AQ${"x".repeat(60)}`, { seq: 1, id: "#1", at: 1 }];
  for (const [entry, expected] of [
    [{ ...at, type: "x.sealed.message", data: { sealed: envelope } }, true],
    [{ ...at, type: "status.set", data: { sealed: envelope, status: "active" } }, true],
    [{ ...at, type: "status.set", data: { status: "active" } }, false],
    [{ ...at, type: "x.note", data: { sealed: envelope } }, true],
    [{ ...at, type: "x.note", data: { sealed: { "$holdfast.blob": [] } } }, true],
    [{ ...at, type: "x.note", data: { sealed: "with wax" } }, false],
    [{ ...at, type: "x.note", data: { sealed: envelope, by: "me" } }, false],
    [{ ...at, type: "x.note", data: "sealed" }, false],
  ] as const) {
    test(`${JSON.stringify(entry.data)} of ${entry.type}: ${expected}`, () => {
      expect(isSealed(entry)).toBe(expected);
    });
  }
});

/** As JavaScript may call them. */
describe("without the options that a layer needs", () => {
  for (const [layer, needed] of [
    [encryptedStore, "encryptedStore needs a keyring"],
    [offloadedStore, "offloadedStore needs blobs"],
    [redactedStore, "redactedStore needs rules"],
    [fallbackStore, "a fallback needs a journal"],
  ] as const) {
    test(`${layer.name} says what that is`, () => {
      for (const options of [[], [undefined], [null]]) {
        const call = () => Reflect.apply(layer, undefined, [memoryStore(), ...options]);
        expect(call).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
        expect(call).toThrow(needed);
      }
    });
  }

  test("tracedStore needs none", () => {
    expect(tracedStore(memoryStore()).layers).toEqual(["traced"]);
  });
});

describe("namespaces of a layer's own", () => {
  test("are out of reach for its callers, through any layer and namespace", async () => {
    const store = stack("traced", "fallback");
    await begin(internal(store, "keys"), { id: "key" });
    expect((await store.find(["key"]))[0]).toBeUndefined();
    expect((await internal(store, "keys").find(["key"]))[0]?.id).toBe("key");
    expect((await internal(store.namespace("a"), "keys").find(["key"]))[0]).toBeUndefined();
    for (const view of [store, store.namespace("a"), store.namespace("")])
      expect(() => view.namespace("holdfast!keys")).toThrow("the layers' own");
  });

  test("a namespace is one view, however often it is asked for", () => {
    const store = stack("traced");
    expect(store.namespace("a")).toBe(store.namespace("a"));
    expect(store.namespace("")).toBe(store);
    expect(store.namespace("a").namespace("b")).not.toBe(store.namespace("b"));
  });
});
