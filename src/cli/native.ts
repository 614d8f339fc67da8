/**
 * @module
 * Holdfast's own export files: one or more exports, one after another, each beginning with a header line.
 */
import { createReadStream } from "node:fs";
import type { SessionRecord } from "../index.ts";
import { HoldfastError } from "../log/errors.ts";
import { decodeValue, encodeValue, isPlainObject } from "../log/values.ts";
import type { AnySessions } from "./context.ts";

export interface NativeSession {
  /** Empty where the file does not begin with a header. */
  readonly id: string;
  /** The line that it begins on, from 1. */
  readonly line: number;
  /** Its lines, to be read once. */
  readonly lines: AsyncIterable<string>;
}

/**
 * The lines of a file, or of stdin for `-`, in constant memory.
 *
 * @throws TypeError where it is not UTF-8, and what the file system throws.
 */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const stream: AsyncIterable<Buffer> = path === "-" ? process.stdin : createReadStream(path);
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

/** The sessions that the lines of exports hold, one at a time. */
export async function* nativeSessions(lines: AsyncIterable<string>): AsyncGenerator<NativeSession> {
  const source = lines[Symbol.asyncIterator]();
  let line = 0;
  const next = async (): Promise<string | undefined> => {
    const { value, done } = await source.next();
    line += 1;
    return done ? undefined : value;
  };
  try {
    let first = await next();
    while (first?.trim() === "") first = await next();
    while (first !== undefined) {
      const header = first;
      let following: string | undefined;
      async function* own(): AsyncGenerator<string> {
        yield header;
        for (;;) {
          following = await next();
          if (following === undefined || headerId(following) !== undefined) return;
          yield following;
        }
      }
      const held = own();
      // Left open where the reader stops early, so that what it did not read can be passed over.
      const reading = { next: () => held.next(), [Symbol.asyncIterator]: () => reading };
      yield { id: headerId(header) ?? "", line, lines: reading };
      for (let skipped = await held.next(); !skipped.done; skipped = await held.next());
      first = following;
    }
  } finally {
    await source.return?.();
  }
}

function headerId(line: string): string | undefined {
  if (!line.startsWith('{"holdfast":')) return undefined;
  const value = parsed(line);
  return isPlainObject(value) && typeof value.session === "string" ? value.session : undefined;
}

function parsed(line: string): unknown {
  try {
    return decodeValue(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export interface NativeResult {
  readonly status: "imported" | "unchanged";
  readonly id: string;
  /** How many messages came in, or would. */
  readonly added: number;
  readonly record?: SessionRecord;
}

/**
 * Imports one session, unless it is there already.
 *
 * @param sessions `undefined`: there is no store yet, so everything is new.
 * @param dryRun says what would come in; the entries themselves are not checked then.
 * @throws INVALID_ARGUMENT naming the line, SESSION_EXISTS where a session of its id holds something else.
 */
export async function importNative(
  sessions: AnySessions | undefined,
  native: NativeSession,
  dryRun: boolean,
): Promise<NativeResult> {
  const { id } = native;
  const existing = id === "" ? undefined : await sessions?.find(id);
  if (sessions && existing) {
    await checkSame(sessions, existing, native);
    return { status: "unchanged", id, added: 0, record: existing };
  }
  if (sessions === undefined || dryRun) return { status: "imported", id, added: await messagesIn(native) };
  const session = await sessions.import(fromItsLine(native));
  return { status: "imported", id: session.id, added: session.record.messageCount, record: session.record };
}

/** Empty lines are skipped but counted, so that an error names the line of the file. */
async function* fromItsLine({ line, lines }: NativeSession): AsyncGenerator<string> {
  for (let before = 1; before < line; before += 1) yield "";
  yield* lines;
}

async function messagesIn({ lines }: NativeSession): Promise<number> {
  let messages = 0;
  for await (const line of lines) {
    const entry = parsed(line);
    if (isPlainObject(entry) && entry.type === "message") messages += 1;
  }
  return messages;
}

/** Whether the store's session begins with all that the export holds. It may have gone on since. */
async function checkSame(sessions: AnySessions, { id }: SessionRecord, native: NativeSession): Promise<void> {
  const session = await sessions.open(id);
  const stored = session.entries()[Symbol.asyncIterator]();
  let isHeader = true;
  for await (const line of native.lines) {
    if (isHeader || line.trim() === "") {
      isHeader = false;
      continue;
    }
    const next = await stored.next();
    if (next.done || contentOf(next.value) !== contentOf(parsed(line))) {
      throw new HoldfastError(
        "SESSION_EXISTS",
        `session ${JSON.stringify(id)} is in the store with other entries; remove it first, or import into another store`,
        { sessionId: id },
      );
    }
  }
}

/** What two entries must have in common. How a session began says where it was kept, so that is not compared. */
function contentOf(entry: unknown): string {
  if (!isPlainObject(entry)) return "";
  const { seq, id, type, at, data } = entry;
  return encodeValue([
    seq ?? null,
    id ?? null,
    type ?? null,
    at ?? null,
    type === "session.created" ? null : (data ?? null),
  ]);
}
