import { ByteReader, ByteWriter, MillraceError } from '../base/index.ts';
import { comparePlaces, type Place, placeText } from './place.ts';

/** One item that goes from one stage to another. */
export interface ChannelRow {
  /** Of the producer's input record that it comes of. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** One message of a channel: the rows of a range of the producer's input, in the order in which they came out. */
export interface Block {
  /** Of the owner that sent it; 0 where nobody gives out epochs. */
  readonly epoch: number;
  /** The rows begin behind it: the place where the block before it ends. */
  readonly from: Place;
  readonly to: Place;
  /** The producer's watermark behind the rows; null: none yet, or no other than the block before said. */
  readonly watermark_ms: number | null;
  readonly rows: readonly ChannelRow[];
}

/** Of a block without its rows, bytes. */
export const BLOCK_HEAD_MAX_BYTES = 64;
const VERSION = 1;
/** Bytes of a row besides its payload, at most. */
export const ROW_HEAD_MAX_BYTES = 16;

/** A block that says only who owns the channel from here on. */
export function isFence({ from, to, rows }: Block): boolean {
  return rows.length === 0 && comparePlaces(from, to) === 0;
}

const writer = new ByteWriter();

export function encodeBlock({ epoch, from, to, watermark_ms, rows }: Block): Uint8Array {
  writer.reset().u8(VERSION).varint(epoch);
  writer.varint(from.sequence).varint(from.ahead).varint(to.sequence).varint(to.ahead);
  writer.u8(watermark_ms === null ? 0 : 1);
  if (watermark_ms !== null) writer.zigzag(watermark_ms);
  writer.varint(rows.length);
  let before = from.sequence;
  for (const { sequence, payload } of rows) {
    writer
      .varint(sequence - before)
      .varint(payload.length)
      .bytes(payload);
    before = sequence;
  }
  return writer.copy();
}

/** Throws `bad_block` for what no block is. Payloads are views of `bytes`. */
export function decodeBlock(bytes: Uint8Array): Block {
  let block: Block;
  try {
    block = read(new ByteReader(bytes), bytes.length);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'bad_block') throw error;
    throw bad('it ends in the middle', error);
  }
  check(block);
  return block;
}

function read(reader: ByteReader, length: number): Block {
  const version = reader.u8();
  if (version !== VERSION) {
    throw bad(`its version is ${version}, and this program reads ${VERSION}: a newer one wrote it, or none`);
  }
  const epoch = whole(reader);
  const from = { sequence: whole(reader), ahead: whole(reader) };
  const to = { sequence: whole(reader), ahead: whole(reader) };
  const flag = reader.u8();
  if (flag > 1) throw bad(`a flag is ${flag}`);
  const watermark_ms = flag === 0 ? null : reader.zigzag();
  if (watermark_ms !== null && !Number.isSafeInteger(watermark_ms)) throw bad('a number is too large');
  const count = whole(reader);
  // Each row has two bytes at least: rubbish must not ask for memory.
  if (count * 2 > length) throw bad(`it says that it has ${count} rows`);
  const rows: ChannelRow[] = [];
  let sequence = from.sequence;
  for (let left = count; left > 0; left--) {
    sequence += whole(reader);
    if (!Number.isSafeInteger(sequence)) throw bad('a number is too large');
    rows.push({ sequence, payload: reader.bytes(whole(reader)) });
  }
  if (reader.remaining > 0) throw bad(`${reader.remaining} bytes follow its end`);
  return { epoch, from, to, watermark_ms, rows };
}

function whole(reader: ByteReader): number {
  const value = reader.varint();
  if (!Number.isSafeInteger(value)) throw bad('a number is too large');
  return value;
}

function check({ from, to, rows }: Block): void {
  if (comparePlaces(from, to) > 0) throw bad(`it goes from ${placeText(from)} back to ${placeText(to)}`);
  const first = rows[0]?.sequence ?? Number.POSITIVE_INFINITY;
  if (first <= from.sequence) throw bad(`it begins behind ${placeText(from)} with a row of ${first}`);
  const last = rows.at(-1)?.sequence ?? 0;
  const beyond = rows.filter(({ sequence }) => sequence > to.sequence).length;
  const before = from.sequence === to.sequence ? from.ahead : 0;
  if (last > to.sequence + 1 || beyond !== to.ahead - before) {
    throw bad(`it ends at ${placeText(to)}, and has ${beyond} rows behind ${to.sequence}, up to ${last}`);
  }
}

function bad(what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'bad_block',
    `A message between two stages is no block: ${what}. Only the tasks of the topology may publish to its channels; ` +
      'look who else does, and for a version of the program that is too old.',
    cause === undefined ? {} : { cause },
  );
}

/** The rows of a block that are behind a place. The block begins at it or before it. */
export function rowsBeyond({ from, rows }: Block, place: Place): readonly ChannelRow[] {
  if (comparePlaces(place, from) <= 0) return rows;
  let sequence = from.sequence + 1;
  /** The number of the row among those of its record. */
  let ordinal = from.ahead;
  let known = 0;
  for (const row of rows) {
    if (row.sequence !== sequence) ordinal = 0;
    sequence = row.sequence;
    const isKnown = sequence <= place.sequence || (sequence === place.sequence + 1 && ordinal < place.ahead);
    if (!isKnown) break;
    ordinal++;
    known++;
  }
  return known === 0 ? rows : rows.slice(known);
}

export interface BlockLimits {
  /** Of one block, bytes. */
  readonly block_max_bytes: number;
  /** Of one row, bytes. */
  readonly row_max_bytes: number;
}

/**
 * Cuts rows into blocks of a bounded size, one behind the other from `from` to `to`. Only the last has the watermark:
 * rows of the others may be of times before it.
 */
export function cutBlocks(
  rows: readonly ChannelRow[],
  { from, to, watermark_ms }: Omit<Block, 'rows' | 'epoch'>,
  { block_max_bytes }: BlockLimits,
): readonly Block[] {
  const blocks: Block[] = [];
  let held: ChannelRow[] = [];
  let size_bytes = BLOCK_HEAD_MAX_BYTES;
  let begun = from;
  /** The place behind the row at hand. */
  let place = from;
  for (const row of rows) {
    const row_bytes = row.payload.length + ROW_HEAD_MAX_BYTES;
    if (held.length > 0 && size_bytes + row_bytes > block_max_bytes) {
      blocks.push({ epoch: 0, from: begun, to: place, watermark_ms: null, rows: held });
      begun = place;
      held = [];
      size_bytes = BLOCK_HEAD_MAX_BYTES;
    }
    const isSame = row.sequence === place.sequence + 1;
    place = { sequence: row.sequence - 1, ahead: (isSame ? place.ahead : 0) + 1 };
    held.push(row);
    size_bytes += row_bytes;
  }
  blocks.push({ epoch: 0, from: begun, to, watermark_ms, rows: held });
  return blocks;
}
