/**
 * @module
 * How the conformance suite gets at each store.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ConformanceHarness } from "../../src/store/conformance/index.ts";
import type { SessionStore } from "../../src/store/store.ts";
import type { MemoryStore } from "../../src/stores/memory.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import type { OpenedStore, StoreKind, StoreLocation } from "./open-store.ts";
import { openStore } from "./open-store.ts";

const WRITER_PROCESS = fileURLToPath(new URL("writer-process.ts", import.meta.url));
const run = promisify(execFile);

/** One whose storage another process can open by a description that is plain JSON. */
export interface LocatedHarness extends ConformanceHarness {
  /** The storage of the last `open`. */
  location(): unknown;
}

/** A store that one process holds: a second connection is the store itself. */
export function inProcess(create: () => SessionStore): ConformanceHarness {
  let store = create();
  return {
    async open() {
      store = create();
      return store;
    },
    openSecond: async () => store,
    destroy: () => store.close(),
  };
}

/** The memory store, or the namespace of it that `namespaces` leads to. */
export function memoryHarness(...namespaces: string[]): ConformanceHarness {
  let root: MemoryStore = memoryStore();
  const create = (): SessionStore => {
    root = memoryStore();
    return namespaces.reduce((view: SessionStore, name) => view.namespace(name), root);
  };
  return {
    ...inProcess(create),
    async residue(needle) {
      const sessions = root.snapshot().map((session) => JSON.stringify(session));
      return sessions.filter((text) => text.includes(needle));
    },
  };
}

/** A store in a temporary folder, or the namespace of it that `namespaces` leads to. */
export function folderHarness(kind: StoreKind, ...namespaces: string[]): LocatedHarness {
  let location: StoreLocation = { kind, folder: "", namespaces };
  let opened: OpenedStore[] = [];
  const connect = (): SessionStore => {
    const connection = openStore(location);
    opened.push(connection);
    return connection.store;
  };
  const closeAll = async (): Promise<void> => {
    for (const { close } of opened) await close();
    opened = [];
  };
  return {
    async open() {
      location = { ...location, folder: await mkdtemp(join(tmpdir(), "holdfast-conformance-")) };
      return connect();
    },
    openSecond: async () => connect(),
    async restart() {
      await closeAll();
      return connect();
    },
    async runWriter(task) {
      const { stdout } = await run(process.execPath, [
        WRITER_PROCESS,
        JSON.stringify(location),
        JSON.stringify(task),
      ]);
      return JSON.parse(stdout);
    },
    location: () => location,
    residue: (needle) => placesIn(location.folder, needle),
    async destroy() {
      await closeAll();
      await rm(location.folder, { recursive: true, force: true });
    },
  };
}

/** The files in `folder` whose name or bytes hold `needle`, in upper or lower case, in hexadecimal or as it is. */
export async function placesIn(folder: string, needle: string): Promise<string[]> {
  const places: string[] = [];
  const needles = [needle, Buffer.from(needle).toString("hex")].map((form) => form.toLowerCase());
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const content = entry.isFile() ? (await readFile(path)).toString("latin1") : "";
    const held = `${entry.name}\n${content}`.toLowerCase();
    if (needles.some((form) => held.includes(form))) places.push(path);
  }
  return places;
}
