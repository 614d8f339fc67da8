/**
 * @module
 * The lines of a log, forwards and backwards, a block at a time.
 */

/** One line, without its newline. */
export interface RawLine {
  /** Good until the next line is asked for. */
  readonly bytes: Buffer;
  /** Where it begins in the file. */
  readonly offset: number;
}

/** Reads `length` bytes from `position` on, fewer at the end of the file; into `block`, where it is given and used. */
export type ReadAt = (position: number, length: number, block?: Buffer) => Buffer;

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 10;

/** The lines from `from` on, where one must begin, up to `to`. The last one may lack its newline. */
export function* forwards(
  read: ReadAt,
  from: number,
  to: number,
  blockBytes = BLOCK_BYTES,
): Generator<RawLine> {
  let position = from;
  let size = blockBytes;
  // One for all: a new one for each would hold the whole log in memory before any of them is collected.
  let block = Buffer.allocUnsafe(Math.max(0, Math.min(size, to - position)));
  while (position < to) {
    const length = Math.min(size, to - position);
    if (length > block.length) block = Buffer.allocUnsafe(length);
    const bytes = read(position, length, block);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield { bytes: bytes.subarray(start, end), offset: position + start };
      start = end + 1;
    }
    if (position + bytes.length >= to || bytes.length === 0) {
      if (start < bytes.length) yield { bytes: bytes.subarray(start), offset: position + start };
      return;
    }
    // A line longer than the block: read it again with more, doubling, so that the work stays linear.
    size = start === 0 ? size * 2 : blockBytes;
    position += start;
  }
}

/** The lines before `to`, where one must end, back to `from`, the last one first. The last one may lack its newline. */
export function* backwards(read: ReadAt, to: number, from = 0, blockBytes = BLOCK_BYTES): Generator<RawLine> {
  let end = to;
  let size = blockBytes;
  while (end > from) {
    const begin = Math.max(from, end - size);
    const bytes = read(begin, end - begin);
    let stop = bytes[bytes.length - 1] === NEWLINE ? bytes.length - 1 : bytes.length;
    let found = false;
    for (let newline = lastNewline(bytes, stop); newline >= 0; newline = lastNewline(bytes, stop)) {
      yield { bytes: bytes.subarray(newline + 1, stop), offset: begin + newline + 1 };
      stop = newline;
      found = true;
    }
    if (begin === from) {
      yield { bytes: bytes.subarray(0, stop), offset: from };
      return;
    }
    size = found ? blockBytes : size * 2;
    if (found) end = begin + stop + 1;
  }
}

function lastNewline(bytes: Buffer, before: number): number {
  return before === 0 ? -1 : bytes.lastIndexOf(NEWLINE, before - 1);
}
