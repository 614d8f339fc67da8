/**
 * Fails the Nth file operation of the file store, for every N, in every way that one can fail. Whatever was
 * acknowledged before and after must be there, and what was not must be there wholly or not at all.
 */
import { describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/log/errors.ts";
import { evolveAll } from "../../src/log/evolve.ts";
import type { SessionRecord } from "../../src/log/record.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { FileIo } from "../../src/stores/file/io.ts";
import { nodeIo } from "../../src/stores/file/io.ts";
import { fileStore } from "../../src/stores/file.ts";
import { newFolder } from "../stores/file-fixture.ts";
import type { Logs } from "./file-scenario.ts";
import { GROUP_SCENARIO, logsIn, SCENARIO, sameLog } from "./file-scenario.ts";

/**
 * - `refused`: the operation does nothing and fails.
 * - `late`: the operation is done and fails all the same.
 * - `short`: a write writes half and fails; the disk is full. Any other operation is refused.
 * - `dead`: this operation and all after it are refused.
 */
type Fault = "refused" | "late" | "short" | "dead";

interface FaultyIo {
  readonly io: FileIo;
  /** Operations so far. */
  count(): number;
  /** Whether the fault has struck. */
  hasStruck(): boolean;
}

function failure(code: string, operation: string): Error {
  return Object.assign(new Error(`${code}: injected into ${operation}`), { code });
}

function faulty(nth: number, fault: Fault): FaultyIo {
  let count = 0;
  const step = <T>(operation: string, work: () => T, half?: () => unknown): T => {
    count += 1;
    if (count < nth || (count > nth && fault !== "dead")) return work();
    if (fault === "late") work();
    if (fault === "short" && half) {
      half();
      throw failure("ENOSPC", operation);
    }
    throw failure("EIO", operation);
  };
  const io: FileIo = {
    open: (path, flags) => step("open", () => nodeIo.open(path, flags)),
    // What is open must be closed, or the test would run out of files; the failure is reported all the same.
    close: (file) => {
      nodeIo.close(file);
      step("close", () => undefined);
    },
    read: (...args) => step("read", () => nodeIo.read(...args)),
    write: (file, bytes, offset, position) =>
      step(
        "write",
        () => nodeIo.write(file, bytes, offset, position),
        () =>
          nodeIo.write(file, bytes.subarray(0, offset + ((bytes.length - offset) >> 1)), offset, position),
      ),
    truncate: (file, bytes) => step("truncate", () => nodeIo.truncate(file, bytes)),
    // The disk itself is not what is tested here, and waiting for it would make the test take minutes.
    syncData: async () => step("syncData", () => undefined),
    syncFolder: async () => step("syncFolder", () => undefined),
    stat: (path) => step("stat", () => nodeIo.stat(path)),
    statOpen: (file) => step("statOpen", () => nodeIo.statOpen(file)),
    list: async (path) => step("list", () => nodeIo.list(path)),
    makeFolder: (path) => step("makeFolder", () => nodeIo.makeFolder(path)),
    realPath: (path) => step("realPath", () => nodeIo.realPath(path)),
    rename: (from, to) => step("rename", () => nodeIo.rename(from, to)),
    remove: (path) => step("remove", () => nodeIo.remove(path)),
  };
  return { io, count: () => count, hasStruck: () => count >= nth };
}

/** Runs the scenario with one fault. Answers with how many operations it took. */
async function run(scenario: typeof SCENARIO, nth: number, fault: Fault): Promise<number> {
  const folder = newFolder();
  const { io, count, hasStruck } = faulty(nth, fault);
  const store = fileStore({ directory: folder, io, onWarning: () => undefined });
  let logs: Logs = new Map();
  for (const makeStep of scenario) {
    const step = makeStep(logs);
    const hadStruck = hasStruck();
    try {
      await step.run(store);
    } catch (error) {
      if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
      expect(error.message).toContain(folder);
      const found = await logsIn(folder);
      for (const id of new Set([...logs.keys(), ...found.keys(), ...step.after.keys()])) {
        const isUndone = step.isUndone && fault !== "dead";
        const allowed = (isUndone ? undefined : step.stages.get(id)) ?? [logs.get(id)];
        const isAllowed = allowed.some((log) => sameLog(log, found.get(id)));
        expect(isAllowed, `the log of "${id}" after a failed step: ${JSON.stringify(found.get(id))}`).toBe(
          true,
        );
      }
      logs = found;
      if (fault === "dead") break;
      // What could not be removed is removed by trying again.
      continue;
    }
    if (step.defies !== fault)
      expect(hasStruck(), "a step that met the fault resolved all the same").toBe(hadStruck);
    logs = step.after;
    if (fault !== "dead") await agrees(store, logs);
  }
  const found = await logsIn(folder);
  for (const [id, log] of logs)
    expect(sameLog(found.get(id), log), `the log of "${id}" in the end`).toBe(true);
  expect([...found.keys()].sort()).toEqual([...logs.keys()].sort());
  await store.close().catch((error: unknown) => {
    if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
  });
  return count();
}

/** The store that met the fault finds what a fresh one finds. */
async function agrees(store: SessionStore, logs: Logs): Promise<void> {
  const ids = [...logs.keys()];
  const expected: (SessionRecord | undefined)[] = ids.map((id) => evolveAll(undefined, logs.get(id) ?? []));
  try {
    expect(await store.find(ids)).toEqual(expected);
  } catch (error) {
    if (!HoldfastError.is(error, "STORE_UNAVAILABLE")) throw error;
  }
}

describe("the file store, where its Nth file operation fails", () => {
  test.for([
    ["refused", "one session at a time", SCENARIO],
    ["late", "one session at a time", SCENARIO],
    ["short", "one session at a time", SCENARIO],
    ["dead", "one session at a time", SCENARIO],
    ["refused", "groups of sessions", GROUP_SCENARIO],
    ["dead", "groups of sessions", GROUP_SCENARIO],
  ] as const)("%s, %s", { timeout: 240_000 }, async ([fault, what, scenario]) => {
    const total = await run(scenario, Number.POSITIVE_INFINITY, fault);
    expect(total).toBeGreaterThan(100);
    for (let nth = 1; nth <= total; nth += 1) {
      try {
        await run(scenario, nth, fault);
      } catch (error) {
        throw new Error(`where operation ${nth} of ${total} is ${fault}`, { cause: error });
      }
    }
    console.info(`${fault}, ${what}: each of ${total} operations failed once`);
  });
});
