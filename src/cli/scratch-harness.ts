/**
 * @module
 * A temporary place for the conformance suite, on the engine that a URL names.
 */

import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { SessionStore } from "../index.ts";
import { createStore } from "../index.ts";
import { isPlainObject } from "../log/values.ts";
import type { ConformanceHarness, WriterReport, WriterTask } from "../store/conformance/index.ts";
import { CliError } from "./failure.ts";
import { spawnSelf } from "./self.ts";
import { placeOf } from "./store-place.ts";

/** For files and databases a temporary folder; for a store in memory a new one; for a server a namespace of its own. */
export function scratchHarness(url: string): ConformanceHarness {
  const place = placeOf(url);
  if (place) return folderHarness(place.kind);
  return /^memory\b/i.test(url) ? memoryHarness() : namespaceHarness(url);
}

function folderHarness(kind: "sqlite" | "file"): ConformanceHarness {
  let folder = "";
  let opened: SessionStore[] = [];
  const scratchUrl = (): string =>
    kind === "sqlite" ? `sqlite:${join(folder, "sessions.db")}` : `file:${join(folder, "sessions")}`;
  const open = async (): Promise<SessionStore> => {
    const store = await createStore(scratchUrl());
    opened.push(store);
    return store;
  };
  const closeAll = async (): Promise<void> => {
    const closing = opened;
    opened = [];
    await Promise.all(closing.map((store) => store.close()));
  };
  return {
    async open() {
      folder = await mkdtemp(join(tmpdir(), "holdfast-conformance-"));
      return open();
    },
    openSecond: open,
    async restart() {
      await closeAll();
      return open();
    },
    residue: (needle) => placesOf(folder, needle),
    runWriter: (task) => runWriter(scratchUrl(), task),
    async destroy() {
      await closeAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function memoryHarness(): ConformanceHarness {
  let store: SessionStore | undefined;
  const open = async (): Promise<SessionStore> => {
    store = await createStore("memory");
    return store;
  };
  return { open, openSecond: async () => store ?? open(), destroy: async () => store?.close() };
}

function namespaceHarness(url: string): ConformanceHarness {
  let name = "";
  let opened: SessionStore[] = [];
  const open = async (): Promise<SessionStore> => {
    const store = await createStore(url);
    opened.push(store);
    return store.namespace(name);
  };
  return {
    async open() {
      name = `conformance-${randomBytes(8).toString("hex")}`;
      return open();
    },
    openSecond: open,
    async destroy() {
      const [first] = opened;
      const view = first?.namespace(name);
      for (const status of [undefined, "deleted"] as const) {
        for (;;) {
          const page = await view?.list({ order: "created", limit: 1000, ...(status && { status }) });
          for (const { id } of page?.items ?? []) await view?.remove(id);
          if (!page || page.items.length === 0) break;
        }
      }
      await Promise.all(opened.map((store) => store.close()));
      opened = [];
    },
  };
}

/** Files whose name or bytes hold `needle`. */
async function placesOf(folder: string, needle: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name.includes(needle)) found.push(`the name of ${path}`);
    if (entry.isFile() && (await readFile(path)).includes(needle)) found.push(`the bytes of ${path}`);
  }
  return found;
}

async function runWriter(url: string, task: WriterTask): Promise<WriterReport> {
  const child = spawnSelf(["--store", url, "conformance-writer"]);
  child.stdin?.end(JSON.stringify(task));
  const report: unknown = child.stdout ? await json(child.stdout) : undefined;
  if (isReport(report)) return report;
  throw new CliError("CHECK_FAILED", "the writer in another process gave no report");
}

function isReport(value: unknown): value is WriterReport {
  return isPlainObject(value) && typeof value.committed === "number" && typeof value.conflicts === "number";
}
