import { type FileHandle, open } from 'node:fs/promises';
import { trimLine } from '../analytics/index.ts';

const READ_BYTES = 262_144;
/** Looked at to see whether a file is an array; what is blank for longer is none. */
const HEAD_BYTES = 65_536;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const NEWLINE = 0x0a;

/** A line of NDJSON, or an item of an array. */
export interface SpoolPart {
  /** Without white space around it; undefined when there is a problem. */
  readonly bytes: Uint8Array | undefined;
  /** Why it cannot be read: it is longer than allowed, or its array is not one. */
  readonly problem?: 'too_large' | 'malformed_json';
  /** Where the next one begins. */
  readonly end_bytes: number;
}

/** Finds where parts end, byte by byte, whatever blocks they come in. */
interface Splitter {
  /** The end of the part at hand within `data`, looking from `from` on; -1 when it lies behind. */
  endIn(data: Uint8Array, from: number): number;
  /** The part that ended was the last: nothing but white space may follow. */
  readonly closed: boolean;
}

class Lines implements Splitter {
  readonly closed = false;

  endIn(data: Uint8Array, from: number): number {
    return data.indexOf(NEWLINE, from);
  }
}

class Items implements Splitter {
  closed: boolean;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(closed: boolean) {
    this.closed = closed;
  }

  endIn(data: Uint8Array, from: number): number {
    if (this.closed) return -1;
    for (let at = from; at < data.length; at++) {
      const byte = data[at] as number;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) this.#inString = true;
      else if (byte === 0x7b || byte === OPEN_LIST) this.#depth++;
      else if (byte === COMMA && this.#depth === 0) return at;
      else if (byte === CLOSE_LIST && this.#depth === 0) {
        this.closed = true;
        return at;
      } else if (byte === 0x7d || byte === CLOSE_LIST) this.#depth--;
    }
    return -1;
  }
}

/** The file's first bytes: where its array begins, -1 for a file of lines. */
async function arrayStart(file: FileHandle): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  const [start] = trimLine(buffer, 0, bytesRead);
  return buffer[start] === OPEN_LIST ? start + 1 : -1;
}

/** Whether the part before this place was an array's last. */
async function closedBefore(file: FileHandle, at_bytes: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at_bytes - 1);
  return buffer[0] === CLOSE_LIST;
}

/**
 * The lines of a file, or the items of the JSON array that it is, from the end of another one on. Reads a block at
 * a time; what is longer than `part_max_bytes` is skipped, not held.
 */
export async function* partsOf(
  path: string,
  from_bytes: number,
  part_max_bytes: number,
): AsyncGenerator<SpoolPart> {
  const file = await open(path);
  try {
    const array = await arrayStart(file);
    if (array < 0) yield* split(file, new Lines(), from_bytes, part_max_bytes);
    else {
      const closed = from_bytes > 0 && (await closedBefore(file, from_bytes));
      yield* split(file, new Items(closed), Math.max(array, from_bytes), part_max_bytes, from_bytes === 0);
    }
  } finally {
    await file.close();
  }
}

/** `mayBeEmpty`: the first item may be none, where the array ends at once. */
async function* split(
  file: FileHandle,
  splitter: Splitter,
  from_bytes: number,
  part_max_bytes: number,
  mayBeEmpty = false,
): AsyncGenerator<SpoolPart> {
  let rest: Uint8Array = new Uint8Array();
  let skipping = false;
  let first = mayBeEmpty;
  let at_bytes = from_bytes;
  const partOf = (bytes: Uint8Array, end_bytes: number): SpoolPart => {
    const [from, to] = trimLine(bytes, 0, bytes.length);
    return skipping || to - from > part_max_bytes
      ? { bytes: undefined, problem: 'too_large', end_bytes }
      : { bytes: bytes.subarray(from, to), end_bytes };
  };
  for (let read_bytes = from_bytes; ; ) {
    const block = Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await file.read(block, 0, READ_BYTES, read_bytes);
    read_bytes += bytesRead;
    const fresh = block.subarray(0, bytesRead);
    const data = rest.length === 0 ? fresh : Buffer.concat([rest, fresh]);
    let start = 0;
    for (let end = splitter.endIn(data, rest.length); end !== -1; end = splitter.endIn(data, start)) {
      const part = partOf(data.subarray(start, end), at_bytes + end + 1 - start);
      at_bytes = part.end_bytes;
      start = end + 1;
      if (part.bytes?.length !== 0 || splitter instanceof Lines) yield part;
      else if (!first || !splitter.closed) yield malformed(part.end_bytes);
      first = false;
      skipping = false;
    }
    rest = data.subarray(start);
    if (bytesRead === 0) {
      yield* last(splitter, partOf(rest, at_bytes + rest.length));
      return;
    }
    if (rest.length > part_max_bytes + READ_BYTES) {
      at_bytes += rest.length;
      rest = new Uint8Array();
      skipping = true;
    }
  }
}

/** What is left at the end of the file. */
function* last(splitter: Splitter, part: SpoolPart): Generator<SpoolPart> {
  const blank = part.bytes?.length === 0;
  if (splitter instanceof Lines) {
    if (!blank) yield part;
    return;
  }
  if (splitter.closed && blank) return;
  if (!splitter.closed && !blank) yield part;
  yield malformed(part.end_bytes);
}

function malformed(end_bytes: number): SpoolPart {
  return { bytes: undefined, problem: 'malformed_json', end_bytes };
}
