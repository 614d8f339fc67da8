/**
 * @module
 * What all namespaces of one file store share: its folder, its open logs, its locks.
 */
import { join, resolve } from "node:path";
import { HoldfastError } from "../../log/errors.ts";
import type { MigrationReport, StoreCapabilities } from "../../store/store.ts";
import type { Appender, FileStoreWarning } from "./append.ts";
import { appender } from "./append.ts";
import type { GroupFile } from "./group.ts";
import { groupFile } from "./group.ts";
import type { FileIo } from "./io.ts";
import { isFileError, nodeIo, READ, unavailable } from "./io.ts";
import type { KeptFiles } from "./kept.ts";
import { keptFiles } from "./kept.ts";
import { LAYOUT, readLayout, writeLayout } from "./layout.ts";
import type { Locks } from "./locks.ts";
import { openLocks } from "./locks.ts";
import type { OpenLogs } from "./logs.ts";
import { openLogs } from "./logs.ts";
import { STORE } from "./tail.ts";
import type { FolderView } from "./view.ts";
import { folderView } from "./view.ts";

export interface Root {
  readonly io: FileIo;
  readonly directory: string;
  readonly capabilities: StoreCapabilities;
  /** Whether other processes may write. */
  readonly isShared: boolean;
  readonly isDurable: boolean;
  readonly logs: OpenLogs;
  readonly kept: KeptFiles;
  readonly appender: Appender;
  readonly group: GroupFile;
  /** Checks that the store is open and knows the folder's layout. Every call begins with it. */
  enter(): void;
  /** Mends what a power failure left. Every call that reads goes on with it, until it says that nothing is to do. */
  recover(): Promise<void> | undefined;
  /** Makes the folder where it is not there yet, and answers with its locks. Every write begins with it. */
  prepare(): Promise<Locks>;
  migrate(): Promise<MigrationReport>;
  ping(): void;
  close(): Promise<void>;
}

export interface RootOptions {
  readonly directory: string;
  readonly isDurable: boolean;
  readonly isShared: boolean;
  readonly lockTimeoutMs: number;
  readonly warn: (warning: FileStoreWarning) => void;
  readonly io?: FileIo | undefined;
  readonly capabilities: StoreCapabilities;
}

/** The store on `directory`, as its root namespace sees it. */
export function openRoot(options: RootOptions): FolderView {
  const root = rootOf(options);
  return folderView(root, root.directory);
}

function rootOf(options: RootOptions): Root {
  const { directory, isDurable, isShared, lockTimeoutMs, warn, io = nodeIo, capabilities } = options;
  const folder = resolve(directory);
  const logs = openLogs(io);
  const kept = keptFiles(io);
  const writer = appender(io, isDurable, warn);
  let isClosed = false;
  let layout = 0;
  let locks: Promise<Locks> | undefined;
  let recovery: Promise<void> | undefined;
  let isRecovered = false;

  const enter = (): void => {
    if (isClosed) {
      throw new HoldfastError("STORE_UNAVAILABLE", `the file store on ${folder} is closed; open it again`, {
        store: STORE,
        retryable: false,
      });
    }
    if (layout > 0) return;
    try {
      layout = readLayout(io, folder);
      if (layout === 0 && io.stat(folder)?.isDirectory() === false) {
        throw new HoldfastError(
          "STORE_UNAVAILABLE",
          `${folder} is a file, and the file store needs a folder; name another directory`,
          { store: STORE, retryable: false },
        );
      }
    } catch (error) {
      throw unavailable(error, folder);
    }
  };

  const open = async (): Promise<Locks> => {
    try {
      await writer.makeFolder(isShared ? join(folder, ".locks") : folder);
      if (layout === 0) await writeLayout(io, folder, isDurable);
      return await openLocks(io.realPath(folder), lockTimeoutMs, isShared);
    } catch (error) {
      throw unavailable(error, folder);
    }
  };

  const prepare = (): Promise<Locks> => {
    locks ??= open().catch((error: unknown) => {
      locks = undefined;
      throw error;
    });
    return locks;
  };

  const group = groupFile(io, folder, async (work) => {
    const taken = await prepare();
    return taken.run(taken.last, undefined, work);
  });

  const recoverOnce = async (): Promise<void> => {
    try {
      if (!group.isHeld()) await (await prepare()).runUnder(undefined, undefined, () => group.restore());
      isRecovered = true;
    } catch (error) {
      recovery = undefined;
      throw unavailable(error, folder);
    }
  };

  return {
    io,
    directory: folder,
    capabilities,
    isShared,
    isDurable,
    logs,
    kept,
    appender: writer,
    group,
    enter,
    prepare,

    recover() {
      if (isRecovered) return undefined;
      recovery ??= recoverOnce();
      return recovery;
    },

    async migrate() {
      enter();
      const from = layout;
      if (from < LAYOUT) await prepare();
      layout = LAYOUT;
      return { store: STORE, from, to: LAYOUT, steps: from === 0 ? [`made the folder ${folder}`] : [] };
    },

    ping() {
      enter();
      try {
        if (io.stat(folder)) io.close(io.open(folder, READ));
      } catch (error) {
        throw unavailable(error, folder);
      }
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      const opened = await locks?.catch(() => undefined);
      try {
        if (opened) await group.empty();
      } catch (error) {
        // All is on the disk as it is; the next store empties the file.
        if (!isFileError(error) && !HoldfastError.is(error)) throw error;
      }
      await opened?.close();
      try {
        group.close();
        kept.close();
        logs.close();
      } catch (error) {
        throw unavailable(error, folder);
      }
    },
  };
}
