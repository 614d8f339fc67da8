/**
 * @module
 * Group commit: what one batch writes to many logs is put on the disk by one trip there.
 *
 * The lines are in their logs already, but perhaps not on the disk; so they are also appended to `.group`, all
 * together, and that one file is synced. Once it has grown, the logs that it names are synced and it is emptied. Only
 * after a power failure is it read: {@link GroupFile.restore} gives each log the lines that it lost.
 *
 * A new log always goes this way, since a file and its name would take two trips. It gets its name after the trip, so
 * that a power failure leaves no log without its beginning.
 */
import { dirname, join, sep } from "node:path";
import { HoldfastError } from "../../log/errors.ts";
import { isPlainObject } from "../../log/values.ts";
import { allDone } from "./gathering.ts";
import type { FileIo } from "./io.ts";
import { closing, codeOf, isFileError, READ, readAt, UPDATE, UPDATE_OR_CREATE, writeAll } from "./io.ts";
import { keptFiles } from "./kept.ts";
import { bodyOf, closeLine, decodeLine } from "./line.ts";
import type { RawLine, ReadAt } from "./lines.ts";
import { forwards } from "./lines.ts";
import { loadTail, STORE } from "./tail.ts";

/** What a batch appended to one log. */
export interface GroupPart {
  readonly path: string;
  /** Where in the log it begins. */
  readonly at: number;
  readonly bytes: Buffer;
  /** The version and the beginning of the session that it was appended to, by which the log is known again. */
  readonly after: number;
  readonly createdAt: number;
}

export interface OpenPart extends GroupPart {
  readonly log: GroupLog;
}

export interface GroupLog {
  /** The log, open. */
  readonly file: number;
  /** The name that it was written under, where it has none of its own yet. */
  readonly fresh?: string | undefined;
  /** Whether its name is known to be on the disk. */
  isNamed: boolean;
}

export interface GroupFile {
  /** Resolves once all of `parts` are on the disk and new logs have their names. Called under the locks of their logs. */
  sync(parts: readonly OpenPart[]): Promise<void>;
  /** Syncs the logs that are named in the file and empties it: then it holds nothing of any session. */
  empty(): Promise<void>;
  /** Whether every log holds what the file says. */
  isHeld(): boolean;
  /** Gives the logs what they lost. Called under all locks. */
  restore(): Promise<void>;
  close(): void;
}

const NAME = ".group";
/** Fewer are synced one by one, side by side: that takes no longer, and nothing is written twice. */
const MIN_PARTS = 8;
const LIMIT_BYTES = 1024 * 1024;
/** Logs that are opened at once. */
const AT_ONCE = 64;

/** @param locked runs work under the lock of the file, which is taken after those of logs. */
export function groupFile(
  io: FileIo,
  folder: string,
  locked: <T>(work: () => Promise<T>) => Promise<T>,
): GroupFile {
  const path = join(folder, NAME);
  const kept = keptFiles(io);
  let isNamed = false;

  const partsIn = (): GroupPart[] => {
    const size = io.stat(path)?.size ?? 0;
    if (size === 0) return [];
    const file = io.open(path, READ);
    return closing(io, file, () => {
      const lines = forwards((position, length) => readAt(io, file, position, length), 0, size);
      return Array.from(lines, ({ bytes }) => decodePart(bytes, folder)).filter((part) => part !== undefined);
    });
  };

  const emptyOpen = async (file: number): Promise<void> => {
    const parts = partsIn();
    const paths = [...new Set(parts.map((part) => part.path))];
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      await allDone(paths.slice(at, at + AT_ONCE).map((log) => syncLog(io, log)));
    }
    await syncNames(io, parts.filter(isBeginning));
    io.truncate(file, 0);
    await io.syncData(file);
  };

  const writeParts = async (file: number, parts: readonly OpenPart[]): Promise<void> => {
    const { size } = io.statOpen(file);
    try {
      // A line that could not be finished must not be glued to the next.
      writeAll(io, file, Buffer.from(`\n${parts.map((part) => encodePart(part, folder)).join("")}`));
      await io.syncData(file);
      if (!isNamed) await io.syncFolder(folder);
      isNamed = true;
      for (const part of parts) nameLog(io, part);
    } catch (error) {
      io.truncate(file, size);
      throw error;
    }
    if (size < LIMIT_BYTES) return;
    try {
      await emptyOpen(file);
    } catch (error) {
      // The parts are on the disk; a later batch tries again.
      if (!isFileError(error)) throw error;
    }
  };

  const withFile = (work: (file: number) => Promise<void>): Promise<void> =>
    locked(() => work(kept.open(path).file));

  const syncEach = async (parts: readonly OpenPart[]): Promise<void> => {
    await allDone(parts.map(({ log }) => io.syncData(log.file)));
    for (const part of parts) nameLog(io, part);
    // Who made it may have put its beginning into the file of groups only.
    const unnamed = parts.filter(({ log }) => !log.isNamed);
    await syncNames(io, unnamed);
    for (const { log } of unnamed) log.isNamed = true;
  };

  return {
    async sync(parts) {
      const bytes = parts.reduce((sum, part) => sum + part.bytes.length, 0);
      const isGroup = parts.length >= MIN_PARTS || parts.some(isBeginning);
      if (isGroup && bytes <= LIMIT_BYTES) await withFile((file) => writeParts(file, parts));
      else await syncEach(parts);
    },
    async empty() {
      if ((io.stat(path)?.size ?? 0) > 0) await withFile(emptyOpen);
    },
    isHeld: () => partsIn().every((part) => lostFrom(io, part) === undefined),
    async restore() {
      for (const part of partsIn()) {
        const from = lostFrom(io, part);
        if (from !== undefined) restore(io, part, from);
      }
      await withFile(emptyOpen);
    },
    close: kept.close,
  };
}

function isBeginning({ at }: GroupPart): boolean {
  return at === 0;
}

function nameLog(io: FileIo, { log, path }: OpenPart): void {
  if (log.fresh !== undefined) io.rename(log.fresh, path);
}

async function syncNames(io: FileIo, parts: readonly GroupPart[]): Promise<void> {
  for (const folder of new Set(parts.map(({ path }) => dirname(path)))) await io.syncFolder(folder);
}

async function syncLog(io: FileIo, path: string): Promise<void> {
  const file = openLog(io, path);
  if (file === undefined) return;
  try {
    await io.syncData(file);
  } finally {
    io.close(file);
  }
}

function openLog(io: FileIo, path: string): number | undefined {
  try {
    return io.open(path, UPDATE);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Where the log lacks something of `part`; `undefined` where nothing is to do: the log holds it, or is gone, or has
 * become another one.
 */
function lostFrom(io: FileIo, part: GroupPart): number | undefined {
  const { size } = io.stat(part.path) ?? {};
  // What is removed is taken out of the file first, so a log that is not there was never given its name.
  if (size === undefined) return isBeginning(part) ? 0 : undefined;
  if (size < part.at) return undefined;
  const file = io.open(part.path, READ);
  return closing(io, file, () => {
    const read = (position: number, length: number): Buffer => readAt(io, file, position, length);
    let lost = part.at;
    for (const line of linesOf(part.bytes)) {
      if (!read(lost, line.length).equals(line)) break;
      lost += line.length;
    }
    if (lost === part.at + part.bytes.length) return undefined;
    const [line] = forwards(read, lost, size);
    const isOwn = line && part.bytes.subarray(lost - part.at).indexOf(line.bytes) === 0;
    // A write that was taken back, and another commit in its place.
    if (line && !isOwn && decodeLine(line.bytes, STORE)) return undefined;
    return lost > part.at || isBeginning(part) || isBefore(read, part) ? lost : undefined;
  });
}

/** With their newlines. */
function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf("\n", start) + 1 || bytes.length;
    yield bytes.subarray(start, end);
    start = end;
  }
}

/** Whether the log is, up to where `part` begins, the one that it was appended to. */
function isBefore(read: ReadAt, { path, at, after, createdAt }: GroupPart): boolean {
  try {
    const tail = loadTail({ path, read }, at);
    return tail.version === after && tail.createdAt === createdAt;
  } catch (error) {
    // Damage is told to whoever asks for this session, and keeps nobody from the others.
    if (HoldfastError.is(error, "STORE_CORRUPT")) return false;
    throw error;
  }
}

function restore(io: FileIo, { path, at, bytes }: GroupPart, from: number): void {
  const file = io.open(path, UPDATE_OR_CREATE);
  closing(io, file, () => {
    const end = at + bytes.length;
    const { size } = io.statOpen(file);
    const after = forwards((position, length) => readAt(io, file, position, length), end, size);
    // A power failure leaves nothing behind what it took, or pieces; what is whole there is somebody's commit.
    if (!holdsCommit(after)) io.truncate(file, from);
    writeAll(io, file, bytes.subarray(from - at), from);
  });
}

function holdsCommit(lines: Iterable<RawLine>): boolean {
  for (const { bytes } of lines) if (decodeLine(bytes, STORE)) return true;
  return false;
}

function encodePart({ path, at, bytes, after, createdAt }: GroupPart, folder: string): string {
  const log = path.slice(folder.length + 1).replaceAll(sep, "/");
  const part = JSON.stringify({ log, at, after, createdAt, lines: bytes.toString() });
  return closeLine(part.slice(0, -1));
}

/** What a line of the file says; `undefined` where it was never finished, so that nobody was told of it. */
function decodePart(line: Buffer, folder: string): GroupPart | undefined {
  const body = bodyOf(line);
  const value: unknown = body === undefined ? undefined : JSON.parse(body);
  if (!isPlainObject(value)) return undefined;
  const { log, at, after, createdAt, lines } = value;
  if (typeof log !== "string" || !/^(@[a-z0-9_%~-]+\/)*[a-z0-9_%~-]+\.jsonl$/.test(log)) return undefined;
  if (typeof at !== "number" || typeof after !== "number" || typeof createdAt !== "number") return undefined;
  if (typeof lines !== "string") return undefined;
  return { path: join(folder, ...log.split("/")), at, after, createdAt, bytes: Buffer.from(lines) };
}
