/**
 * @module
 * The file store: one folder, one file a session, one line a commit; nothing to install, nothing to run.
 *
 * `<directory>/<id>.jsonl`, and `<directory>/@<namespace>/<id>.jsonl` for namespaces. The files are only ever appended
 * to, so they can be read with `jq`, followed with `tail -f`, and copied while they are written to. Several processes
 * may write at once. Reading takes no lock.
 *
 * @example
 * ```ts
 * import { createSessions, fileStore } from "holdfast";
 * const sessions = createSessions({ store: fileStore("./sessions") });
 * ```
 */
import { invalidArgument } from "../log/errors.ts";
import { namespaceName, namespacePath } from "../store/namespace.ts";
import type { SessionStore, StoreCapabilities } from "../store/store.ts";
import type { FileStoreWarning } from "./file/append.ts";
import type { FileIo } from "./file/io.ts";
import type { FolderView } from "./file/view.ts";

export type { FileStoreWarning };

export interface FileStoreOptions {
  /** The folder that the sessions are in. Made at the first write. */
  readonly directory: string;
  /**
   * What an acknowledged commit survives. `"full"`: the system crashing, as every commit waits for the disk.
   * `"normal"`: the process crashing; what was written last may be lost or damaged with the system. Default `"full"`.
   */
  readonly durability?: "full" | "normal";
  /**
   * Whether several processes may write at once, on a local disk: the locks of network file systems can't be relied
   * on. `false` for a single process saves about a tenth of an append. Default `true`.
   */
  readonly lock?: boolean;
  /** How long to wait for another process before STORE_UNAVAILABLE. Default 10,000. */
  readonly lockTimeoutMs?: number;
  /** Told when part of a log is dropped that a crash left unfinished. Default: `process.emitWarning`. */
  readonly onWarning?: (warning: FileStoreWarning) => void;
  /** @internal What the file operations go through, for tests. */
  readonly io?: FileIo;
}

const MAX_ENTRY_BYTES = 16 * 1024 * 1024;

/**
 * Keeps sessions in the files of a folder. One commit is one write of one line, on the disk before it is acknowledged,
 * so a crash at any moment leaves it there wholly or not at all.
 *
 * @throws INVALID_ARGUMENT for a directory that is not a path. Every call: STORE_UNAVAILABLE where the folder can't be
 *   used, STORE_CORRUPT where a log is damaged (which is never written to), MIGRATION_REQUIRED where a later version of
 *   Holdfast wrote it.
 * @example
 * ```ts
 * const store = fileStore({ directory: "./sessions", durability: "normal" });
 * ```
 */
export function fileStore(options: string | FileStoreOptions): SessionStore {
  const {
    directory,
    durability = "full",
    lock = true,
    lockTimeoutMs = 10_000,
    onWarning = emitWarning,
    io,
  } = typeof options === "string" ? { directory: options } : options;
  if (typeof directory !== "string" || directory === "") {
    throw invalidArgument('the file store needs a directory, for example fileStore("./sessions")');
  }
  if (durability !== "full" && durability !== "normal") {
    throw invalidArgument('durability must be "full" or "normal"');
  }
  const isDurable = durability === "full";
  const capabilities: StoreCapabilities = {
    durability: isDurable ? "disk" : "os",
    search: "substring",
    watch: "poll",
    idempotency: "full",
    listConsistency: "strong",
    maxEntryBytes: MAX_ENTRY_BYTES,
    nativeTtl: false,
    writers: lock ? "many" : "one-process",
  };
  let root: Promise<FolderView> | undefined;
  return deferred(capabilities, "", () => {
    root ??= import("./file/root.ts").then(({ openRoot }) =>
      openRoot({ directory, isDurable, isShared: lock, lockTimeoutMs, warn: onWarning, io, capabilities }),
    );
    return root;
  });
}

/** The store as it is before its code is loaded, which its first call does, so that other stores' users never pay for it. */
function deferred(
  capabilities: StoreCapabilities,
  path: string,
  load: () => Promise<FolderView>,
): SessionStore {
  const views = new Map<string, SessionStore>();
  let loaded: FolderView | undefined;
  const open = async (): Promise<FolderView> => {
    loaded = await load();
    return loaded;
  };
  const store: SessionStore = {
    name: "file",
    capabilities,
    namespaceName: namespaceName(path),
    commit: async (commits) => (loaded ?? (await open())).commit(commits),
    find: async (ids) => (loaded ?? (await open())).find(ids),
    read: async (id, range) => (loaded ?? (await open())).read(id, range),
    list: async (query) => (loaded ?? (await open())).list(query),
    search: async (text, query) => (loaded ?? (await open())).search(text, query),
    remove: async (id) => (loaded ?? (await open())).remove(id),
    sweep: async (nowMs, limit) => (loaded ?? (await open())).sweep(nowMs, limit),
    migrate: async () => (loaded ?? (await open())).migrate(),
    async *inspect() {
      yield* (loaded ?? (await open())).inspect();
    },
    ping: async () => (loaded ?? (await open())).ping(),
    close: async () => (loaded ?? (await open())).close(),
    namespace(name) {
      if (name === "") return store;
      const view =
        views.get(name) ??
        deferred(capabilities, namespacePath(path, name), async () => (await open()).namespace(name));
      views.set(name, view);
      return view;
    },
  };
  return store;
}

function emitWarning({ message }: FileStoreWarning): void {
  process.emitWarning(message, "HoldfastWarning");
}
