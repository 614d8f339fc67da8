import { deepStrictEqual } from "node:assert/strict";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  byteLength,
  copyValue,
  decodeValue,
  encodeValue,
  freeze,
  frozenCopy,
  isPlainObject,
  knownText,
} from "../../src/log/values.ts";
import { anyText, jsonOrUndefined, objectOf, storable, storableOrUndefined } from "../support/arbitraries.ts";
import { refusalOf } from "../support/errors.ts";
import { frozen } from "../support/frozen.ts";
import { showValue } from "../support/show-value.ts";

const TAG = "$holdfast";

/** An array or object in an array or object, so many levels in all. */
function nested(levels: number, wrap: (inner: unknown) => unknown = (inner) => [inner]): unknown {
  let value: unknown = wrap(null);
  for (let level = 1; level < levels; level++) value = wrap(value);
  return value;
}

describe("a value that is stored", () => {
  test("comes back the same: types, keys and their order, -0", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const text = encodeValue(frozen(value));
        expect(showValue(decodeValue(text))).toBe(showValue(value));
        deepStrictEqual(decodeValue(text), value);
        // The same text again, so that what was read can be compared with what is stored.
        expect(encodeValue(decodeValue(text))).toBe(text);
        expect(() => JSON.parse(text)).not.toThrow();
      }),
      { numRuns: 1500 },
    );
  });

  test("is plain JSON where JSON can hold it, and undefined is treated as JSON treats it", () => {
    fc.assert(
      fc.property(jsonOrUndefined, (value) => {
        fc.pre(value !== undefined && !JSON.stringify(value).includes(TAG));
        expect(encodeValue(value)).toBe(JSON.stringify(value));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(storableOrUndefined, (value) => {
        fc.pre(value !== undefined);
        const text = encodeValue({ value, gone: undefined });
        expect(showValue(decodeValue(text))).toBe(showValue({ value: withoutUndefined(value) }));
      }),
      { numRuns: 500 },
    );
    const holes: unknown[] = [undefined];
    holes[2] = 1;
    expect(encodeValue({ a: undefined, b: holes })).toBe('{"b":[null,null,1]}');
    holes[2] = 1n;
    expect(encodeValue({ a: undefined, b: holes })).toBe('{"b":[null,null,{"$holdfast":["bigint","1"]}]}');
  });

  test.each([
    [new Date(5), '{"$holdfast":["date",5]}'],
    [12n, '{"$holdfast":["bigint","12"]}'],
    [-0, '{"$holdfast":["number","-0"]}'],
    [new Uint8Array([255, 0]), '{"$holdfast":["bytes","/wA="]}'],
    [{ [TAG]: 1 }, '{"$holdfast":["object",{"$holdfast":1}]}'],
    [{ [TAG]: 1, a: 1 }, '{"$holdfast":1,"a":1}'],
    ["plain", '"plain"'],
  ])("is written as documented: %s", (value, text) => {
    expect(encodeValue(value)).toBe(text);
    expect(showValue(decodeValue(text))).toBe(showValue(value));
  });

  test("an object of the caller's is never taken for a tag", () => {
    const date = ["date", 0];
    for (const value of [
      { [TAG]: date },
      { [TAG]: ["object", { [TAG]: date }] },
      { a: { [TAG]: { [TAG]: date } } },
      { [TAG]: [] },
      [{ [TAG]: "text" }, { [TAG]: null }],
    ]) {
      expect(decodeValue(encodeValue(value))).toEqual(value);
    }
    // Without the key that JSON leaves out, this would read as a Date.
    expect(decodeValue(encodeValue({ [TAG]: date, gone: undefined }))).toEqual({ [TAG]: date });
    expect(decodeValue(encodeValue({ [TAG]: undefined }))).toEqual({});
    expect(decodeValue('{"$holdfast":"not a tag"}')).toEqual({ [TAG]: "not a tag" });
  });

  test("text is the same, unit by unit", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(decodeValue(encodeValue(text)) === text).toBe(true);
        expect(decodeValue(encodeValue([text, new Date(0)]))).toEqual([text, new Date(0)]);
      }),
    );
  });

  test("keeps keys in order, integer-like ones as JavaScript has them", () => {
    const value = objectOf<unknown>([
      ["b", 1],
      ["456", 2],
      ["a", 3],
      ["__proto__", { x: 1 }],
      ["0", 4],
      ["", 5],
    ]);
    for (const extra of [1, 1n]) {
      const back = decodeValue(encodeValue({ value, extra }));
      expect(isPlainObject(back) && isPlainObject(back.value) && Object.keys(back.value)).toEqual([
        "0",
        "456",
        "b",
        "a",
        "__proto__",
        "",
      ]);
    }
    expect(Object.prototype).not.toHaveProperty("x");
  });

  test("Buffers and views of a part of memory come back as the bytes that they show", () => {
    const memory = new Uint8Array([1, 2, 3, 4, 5]);
    for (const bytes of [memory.subarray(1, 3), Buffer.from([2, 3]), new Uint8Array(memory.buffer, 1, 2)]) {
      const back = copyValue({ bytes });
      expect(back).toStrictEqual({ bytes: new Uint8Array([2, 3]) });
    }
  });

  test("may come from another realm", () => {
    const foreign: unknown = runInNewContext(
      `({ a: [1, { b: 2 }], when: new Date(5), bytes: new Uint8Array([7]), nil: Object.create(null), o: { ${TAG}: 1 } })`,
    );
    expect(isPlainObject(foreign)).toBe(true);
    expect(showValue(copyValue(foreign))).toBe(
      showValue({
        a: [1, { b: 2 }],
        when: new Date(5),
        bytes: new Uint8Array([7]),
        nil: {},
        o: { [TAG]: 1 },
      }),
    );
    expect(copyValue(runInNewContext("[1, [2]]"))).toEqual([1, [2]]);
  });

  test("may have no prototype", () => {
    const bare: object = Object.assign(Object.create(null), { a: 1 });
    expect(showValue(copyValue({ bare }))).toBe(showValue({ bare: { a: 1 } }));
  });

  test("shares nothing with its copy", () => {
    const inner = { list: [1], when: new Date(0), bytes: new Uint8Array([1]) };
    for (const value of [{ inner }, { inner: { list: [1], deep: { x: 1 } } }]) {
      const shown = showValue(value);
      const copy = copyValue(value);
      const parts = (of: unknown): object[] =>
        typeof of !== "object" || of === null
          ? []
          : [of, ...(ArrayBuffer.isView(of) ? [] : Object.values(of).flatMap(parts))];
      expect(parts(copy)).toHaveLength(parts(value).length);
      for (const part of parts(copy)) expect(parts(value).some((other) => other === part)).toBe(false);
      expect(showValue(value)).toBe(shown);
    }
    inner.bytes[0] = 9;
    expect(copyValue(inner)).not.toBe(inner);
  });
});

describe("depth", () => {
  const ways: [string, (inner: unknown) => unknown][] = [
    ["arrays", (inner) => [inner]],
    ["objects", (inner) => ({ a: inner })],
    ["objects that look like tags", (inner) => ({ [TAG]: inner })],
    ["objects with a Date", (inner) => ({ when: new Date(0), inner })],
  ];

  test.each(ways)("512 levels of %s are fine, 513 are refused", (_what, wrap) => {
    for (const levels of [100, 511, 512]) {
      expect(showValue(copyValue(nested(levels, wrap)))).toBe(showValue(nested(levels, wrap)));
    }
    expect(refusalOf(() => copyValue(nested(513, wrap)))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("holds a cycle or is nested deeper than 512 levels"),
    });
  });

  test.each(ways)("an entry or a record can hold whatever was accepted, of %s", (_what, wrap) => {
    expect(() => encodeValue({ data: { base: { state: { slot: nested(512, wrap) } } } })).not.toThrow();
    expect(() => encodeValue(nested(520, wrap))).not.toThrow();
    expect(refusalOf(() => encodeValue(nested(521, wrap))).code).toBe("INVALID_ARGUMENT");
  });

  test("a Date, bytes or text may stand at the lowest level", () => {
    for (const leaf of [new Date(0), new Uint8Array(1), "text", 1n, null]) {
      const value = nested(512, (inner) => (inner === null ? [leaf] : [inner]));
      expect(showValue(copyValue(value))).toBe(showValue(value));
    }
  });

  test("a cycle is refused at once, however it fans out", () => {
    const loop: Record<string, unknown> = {};
    for (let index = 0; index < 20; index++) loop[`way${index}`] = loop;
    const list: unknown[] = [];
    list.push(list, list, list);
    const dated: Record<string, unknown> = { when: new Date(0) };
    dated.a = { b: [dated, dated] };
    const start = performance.now();
    for (const value of [loop, list, dated]) {
      const { message } = refusalOf(() => encodeValue(value));
      expect(message).toContain("holds a cycle");
      expect(message.length).toBeLessThan(300);
    }
    expect(refusalOf(() => encodeValue(loop)).message).toContain("the value at way0.way0.way0.… holds");
    expect(performance.now() - start).toBeLessThan(500);
  });

  test("the same object at two places is no cycle", () => {
    const twice = { x: 1 };
    expect(copyValue([twice, { twice }])).toEqual([{ x: 1 }, { twice: { x: 1 } }]);
  });
});

describe("what can't be stored", () => {
  class Point {
    x = 1;
  }
  class List extends Array {}
  const noName = Object.create(Object.create(null));

  test.each([
    ["a function", () => 1, "is a function"],
    ["a symbol", Symbol("s"), "is a symbol"],
    ["NaN", Number.NaN, "is NaN"],
    ["Infinity", Number.POSITIVE_INFINITY, "is Infinity"],
    ["-Infinity", Number.NEGATIVE_INFINITY, "is -Infinity"],
    ["an invalid Date", new Date(Number.NaN), "is an invalid Date"],
    ["an instance of a class", new Point(), "is an instance of Point"],
    ["an instance of a class without a name", new (class {})(), "is an instance of a class"],
    ["an object without a constructor", noName, "is an instance of a class"],
    [
      "an instance that calls itself a number",
      Object.create({ constructor: { name: 5 } }),
      "is an instance of a class",
    ],
    ["a Map", new Map(), "is an instance of Map"],
    ["a Set", new Set(), "is an instance of Set"],
    ["a RegExp", /x/, "is an instance of RegExp"],
    ["an Error", new TypeError("x"), "is an instance of TypeError"],
    ["a promise", Promise.resolve(), "is an instance of Promise"],
    ["a boxed string", Object("x"), "is an instance of String"],
    ["a boxed number", Object(1), "is an instance of Number"],
    ["a boxed boolean", Object(true), "is an instance of Boolean"],
    ["a boxed bigint", Object(1n), "is an instance of BigInt"],
    ["a list of a class", List.from([1]), "is an instance of List"],
    ["a list without a prototype", Object.setPrototypeOf([1], null), "is an instance of a class"],
    ["other bytes", new Uint16Array(1), "is an instance of Uint16Array"],
    ["an ArrayBuffer", new ArrayBuffer(1), "is an instance of ArrayBuffer"],
    ["a DataView", new DataView(new ArrayBuffer(1)), "is an instance of DataView"],
    ["a would-be Date", Object.create(Date.prototype), "is an instance of Date"],
    ["would-be bytes", Object.create(Uint8Array.prototype), "is an instance of Uint8Array"],
    ["what calls itself a Date", { [Symbol.toStringTag]: "Date" }, "has a symbol as a key"],
    ["a symbol as a key", { [Symbol("s")]: 1 }, "has a symbol as a key"],
    ["an object with toJSON", { toJSON: () => 1 }, "has a toJSON function"],
    ["a list with toJSON", Object.assign([1], { toJSON: () => 1 }), "has a toJSON function"],
    ["a hidden toJSON", Object.defineProperty({}, "toJSON", { value: () => 1 }), "has a toJSON function"],
  ])("%s is refused, with the way to it", (_what, value, why) => {
    for (const [held, where] of [
      [value, "the value "],
      [{ a: [0, { b: value }] }, "the value at a.1.b "],
      [{ when: new Date(0), b: value }, "the value at b "],
    ] as const) {
      for (const run of [() => encodeValue(held), () => copyValue(held)]) {
        const error = refusalOf(run);
        expect(error.code).toBe("INVALID_ARGUMENT");
        expect(error.message).toBe(
          `${where}${why}; Holdfast stores JSON values, Uint8Array, Date and bigint, so convert it before you save it`,
        );
      }
    }
  });

  test("undefined by itself is refused", () => {
    for (const run of [() => encodeValue(undefined), () => copyValue(undefined)]) {
      expect(refusalOf(run)).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: "the value is undefined; give null where nothing is meant",
      });
    }
  });

  test("toJSON is only a word where it is no function", () => {
    for (const value of [{ toJSON: "text" }, { toJSON: { a: 1 }, when: new Date(0) }]) {
      expect(copyValue(value)).toEqual(value);
    }
  });
});

describe("text that can't be read", () => {
  test("that is no JSON is a SyntaxError", () => {
    for (const text of ["", "{", '{"$holdfast"', "undefined"])
      expect(() => decodeValue(text)).toThrow(SyntaxError);
  });

  test("with a tag that is not known is corrupt", () => {
    const error = refusalOf(() => decodeValue('[{"$holdfast":["later",1]}]'));
    expect(error).toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining('unknown tag "later"'),
    });
  });

  test("with a tag that is put wrong gives no object that could be taken for another", () => {
    expect(decodeValue('{"$holdfast":["object",5]}')).toBe(5);
    expect(decodeValue('{"$holdfast":["number","-0"]}')).toBe(-0);
  });
});

describe("freeze", () => {
  test("leaves nothing to change, and gives back what it was given", () => {
    const value = { a: [{ b: 1 }], when: new Date(0), bytes: new Uint8Array([1]), none: null };
    expect(freeze(value)).toBe(value);
    for (const part of [value, value.a, value.a[0], value.when]) expect(Object.isFrozen(part)).toBe(true);
    // JavaScript can't freeze bytes; trying would throw.
    expect(Object.isFrozen(value.bytes)).toBe(false);
    expect(freeze(value)).toBe(value);
    for (const plain of [1, "x", null, undefined]) expect(freeze(plain)).toBe(plain);
  });
});

describe("frozenCopy", () => {
  test("is a frozen copy, whose text is what encoding it anew gives", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const copy = frozenCopy(value);
        expect(showValue(copy)).toBe(showValue(value));
        expect(knownText(copy) ?? encodeValue(value)).toBe(encodeValue(value));
        expect(encodeValue(copy)).toBe(encodeValue(value));
      }),
      { numRuns: 500 },
    );
    const given = { a: [{ b: 1 }] };
    const copy = frozenCopy(given);
    expect(knownText(copy)).toBe('{"a":[{"b":1}]}');
    given.a.push({ b: 2 });
    expect(copy).toEqual({ a: [{ b: 1 }] });
    expect([copy, isPlainObject(copy) && copy.a].every(Object.isFrozen)).toBe(true);
  });

  test("has no text to know where a part of it could be changed all the same", () => {
    for (const value of [{ when: new Date(0) }, { bytes: new Uint8Array(1) }]) {
      const copy = frozenCopy(value);
      expect(knownText(copy)).toBeUndefined();
      expect(showValue(copy)).toBe(showValue(value));
    }
    const when = new Date(5);
    const copy = frozenCopy(when);
    when.setTime(9);
    expect(showValue(copy)).toBe("Date(5)");
  });

  test("of what is no object is that, and refuses what encoding refuses", () => {
    for (const value of ["text", 5, null, true]) expect(frozenCopy(value)).toBe(value);
    for (const value of ["text", null, undefined, 5, {}, [1]]) expect(knownText(value)).toBeUndefined();
    expect(refusalOf(() => frozenCopy(undefined)).code).toBe("INVALID_ARGUMENT");
    expect(refusalOf(() => frozenCopy(nested(513))).code).toBe("INVALID_ARGUMENT");
    expect(() => frozenCopy(nested(512))).not.toThrow();
  });
});

describe("isPlainObject", () => {
  test("tells literals of any realm from all else", () => {
    for (const plain of [{}, Object.create(null), runInNewContext("({})"), { constructor: 1 }]) {
      expect(isPlainObject(plain)).toBe(true);
    }
    for (const other of [
      null,
      undefined,
      1,
      "x",
      [],
      runInNewContext("[]"),
      new Date(),
      new Map(),
      Object.create({}),
      Object.create({ isPrototypeOf: () => true }),
      Object.create(Object.create(null)),
      runInNewContext("new (class A {})()"),
      new (class {})(),
      () => 1,
    ]) {
      expect(isPlainObject(other)).toBe(false);
    }
  });
});

test("byteLength counts UTF-8", () => {
  expect([byteLength(""), byteLength("a"), byteLength("é"), byteLength("€"), byteLength("😀")]).toEqual([
    0, 1, 2, 3, 4,
  ]);
});

/** As JSON has it: no such keys, and null in lists. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : withoutUndefined(item)));
  if (!isPlainObject(value)) return value;
  return objectOf(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]): [string, unknown] => [key, withoutUndefined(item)]),
  );
}
