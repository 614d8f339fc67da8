import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { HoldfastErrorCode } from "../../src/log/errors.ts";
import { HoldfastError, invalidArgument, messageOf } from "../../src/log/errors.ts";

const RETRYABLE: Record<HoldfastErrorCode, boolean> = {
  SESSION_NOT_FOUND: false,
  SESSION_EXISTS: false,
  SESSION_DELETED: false,
  SESSION_CLOSED: false,
  SESSION_HELD: false,
  VERSION_CONFLICT: false,
  TURN_IN_PROGRESS: true,
  DUPLICATE_ENTRY: false,
  INVALID_ARGUMENT: false,
  INVALID_DATA: false,
  ENTRY_TOO_LARGE: false,
  STORE_UNAVAILABLE: true,
  STORE_CORRUPT: false,
  MIGRATION_REQUIRED: false,
  DECRYPTION_FAILED: false,
  UNSUPPORTED: false,
};

describe("HoldfastError", () => {
  test.each(Object.entries(RETRYABLE))("%s may be tried again: %s", (name, retryable) => {
    const code = Object.keys(RETRYABLE).find((key): key is HoldfastErrorCode => key === name);
    if (code === undefined) throw new Error(name);
    const error = new HoldfastError(code, "what happened");
    expect(error).toMatchObject({ name: "HoldfastError", code, message: "what happened", retryable });
    expect(new HoldfastError(code, "", { retryable: !retryable }).retryable).toBe(!retryable);
  });

  test("is an Error, with what it is about and the error underneath", () => {
    const cause = new Error("below");
    const error = new HoldfastError("STORE_CORRUPT", "broken", { sessionId: "s", store: "file", cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ sessionId: "s", store: "file" });
    expect(error.cause).toBe(cause);
    expect(String(error)).toBe("HoldfastError: broken");
    expect(error.stack).toContain("errors.test.ts");
    for (const held of [null, 0, "", false]) {
      expect(new HoldfastError("UNSUPPORTED", "", { cause: held }).cause).toBe(held);
    }
    const bare = new HoldfastError("UNSUPPORTED", "");
    expect(bare).toMatchObject({ sessionId: undefined, store: undefined });
    expect(Object.hasOwn(bare, "cause")).toBe(false);
  });

  test("is told by `is`, with its code where one is given", () => {
    const error: unknown = new HoldfastError("SESSION_NOT_FOUND", "");
    expect(HoldfastError.is(error)).toBe(true);
    expect(HoldfastError.is(error, "SESSION_NOT_FOUND")).toBe(true);
    expect(HoldfastError.is(error, "SESSION_EXISTS")).toBe(false);
    class Special extends HoldfastError {}
    expect(HoldfastError.is(new Special("UNSUPPORTED", ""), "UNSUPPORTED")).toBe(true);
    for (const other of [
      null,
      undefined,
      "SESSION_NOT_FOUND",
      5,
      () => 1,
      {},
      new Error("x"),
      { code: "SESSION_NOT_FOUND", name: "HoldfastError" },
      Object.assign(new Error("x"), { code: "SESSION_NOT_FOUND", name: "HoldfastError" }),
    ]) {
      expect(HoldfastError.is(other)).toBe(false);
      expect(HoldfastError.is(other, "SESSION_NOT_FOUND")).toBe(false);
    }
  });

  test("is told across copies of the package", async () => {
    const url = pathToFileURL(new URL("../../src/log/errors.ts", import.meta.url).pathname);
    const copy: unknown = await import(/* @vite-ignore */ `${url.href}?copy`);
    if (!hasErrorClass(copy)) throw new Error("the copy has no HoldfastError");
    const foreign = new copy.HoldfastError("SESSION_EXISTS", "x");
    expect(foreign).not.toBeInstanceOf(HoldfastError);
    expect(HoldfastError.is(foreign, "SESSION_EXISTS")).toBe(true);
    expect(copy.HoldfastError.is(new HoldfastError("UNSUPPORTED", ""), "UNSUPPORTED")).toBe(true);
  });
});

function hasErrorClass(module: unknown): module is { HoldfastError: typeof HoldfastError } {
  return typeof module === "object" && module !== null && "HoldfastError" in module;
}

test("invalidArgument names the session where there is one", () => {
  expect(invalidArgument("wrong", "s")).toMatchObject({
    code: "INVALID_ARGUMENT",
    message: "wrong",
    sessionId: "s",
  });
  expect(invalidArgument("wrong").sessionId).toBeUndefined();
});

test("messageOf says something of any thrown value", () => {
  expect([new Error("a"), "b", 5, null, undefined].map(messageOf)).toEqual([
    "a",
    "b",
    "5",
    "null",
    "undefined",
  ]);
});
