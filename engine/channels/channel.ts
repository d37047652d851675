import { ByteReader, ByteWriter, MillraceError } from '../base/index.ts';
import { Fifo } from '../edges/index.ts';
import { type KvTable, prefixEnd } from '../state/index.ts';
import { type Block, type ChannelRow, cutBlocks, decodeBlock, encodeBlock } from './block.ts';
import type { ChannelLimits } from './channel-limits.ts';
import { CHANNEL_START, comparePlaces, type Place } from './place.ts';

/** The engine's own table of blocks that are owed, beside those of the operators. */
export const CHANNELS_TABLE = 'channels';

/** A block that is committed, and not known to be stored. */
interface OwedBlock {
  readonly row: number;
  block: Block;
  size_bytes: number;
}

/** Kinds of rows: where the blocks end, and each block. */
const [HEAD, BLOCK] = [0, 1];

/** One channel in the state, and what of it is in memory: the blocks that are owed to one target. */
export class Channel {
  readonly cut: string;
  readonly target: number;
  readonly subject: string;
  readonly #table: KvTable;
  readonly #prefix: Uint8Array;
  /** Where the blocks that were made end. */
  #made: Place = CHANNEL_START;
  #made_at_ms = Number.NEGATIVE_INFINITY;
  #next = 0;
  #rows: ChannelRow[] = [];
  readonly #owed = new Fifo<OwedBlock>();
  /** The newest that is owed, while it has no rows and nobody sends it: it is extended in place of another. */
  #tail: OwedBlock | undefined;
  /** Rows of the table that the next commit removes. */
  #stored: number[] = [];
  #owed_blocks = 0;
  #owed_bytes = 0;

  constructor(table: KvTable, subject: string, cut: string, target: number) {
    this.#table = table;
    this.subject = subject;
    this.cut = cut;
    this.target = target;
    this.#prefix = new ByteWriter().orderedString(cut).u32(target).copy();
    const start = this.#prefix;
    const end = prefixEnd(start);
    for (const { key, value } of table.scan(end === undefined ? { start } : { start, end })) {
      const name = new ByteReader(Uint8Array.from(key.subarray(start.length)));
      const bytes = Uint8Array.from(value);
      if (name.u8() === BLOCK) this.#owe(name.u48(), decodeBlock(bytes), bytes.length);
      else {
        const head = new ByteReader(bytes);
        this.#made = { sequence: head.varint(), ahead: 0 };
        this.#next = head.varint();
      }
    }
  }

  get owed_blocks(): number {
    return this.#owed_blocks;
  }

  get owed_bytes(): number {
    return this.#owed_bytes;
  }

  /** Everything up to here is known to be stored. */
  get sent(): Place {
    return this.#owed.peek()?.block.from ?? this.#made;
  }

  /** Everything of the records up to here is known to be stored. */
  get settled(): number {
    const owed = this.#owed.peek();
    return owed === undefined ? Number.POSITIVE_INFINITY : owed.block.from.sequence;
  }

  /** Blocks that were stored leave the state with the next commit. */
  get hasChanges(): boolean {
    return this.#stored.length > 0;
  }

  #owe(row: number, block: Block, size_bytes: number): void {
    const owed = { row, block, size_bytes };
    this.#owed.push(owed);
    this.#tail = block.rows.length === 0 ? owed : undefined;
    this.#owed_blocks++;
    this.#owed_bytes += size_bytes;
  }

  /** The payload is kept as it is. Throws `channel_row_behind`. */
  add(row: ChannelRow): void {
    if (row.sequence <= this.#made.sequence) {
      throw new MillraceError(
        'channel_row_behind',
        `The cut "${this.cut}" was given an item of record ${row.sequence}, and everything up to ${this.#made.sequence} ` +
          'was committed: what goes into a cut has to be of the record at work.',
      );
    }
    this.#rows.push(row);
  }

  /** Inside the commit, which ends at `position`. */
  flush(position: number, watermark_ms: number | null, now_ms: number, limits: ChannelLimits): void {
    for (const row of this.#stored.splice(0)) this.#table.remove(this.#blockKey(row));
    const to = { sequence: position, ahead: 0 };
    const isQuiet = this.#rows.length === 0;
    if (isQuiet && comparePlaces(to, this.#made) <= 0) return;
    if (isQuiet && now_ms - this.#made_at_ms < limits.quiet_block_ms) return;
    const tail = isQuiet ? this.#tail : undefined;
    if (tail === undefined) this.#make(to, watermark_ms, limits);
    else this.#extend(tail, to, watermark_ms);
    this.#made = to;
    this.#made_at_ms = now_ms;
    const head = new ByteWriter().varint(position).varint(this.#next).view();
    this.#table.put(new ByteWriter().bytes(this.#prefix).u8(HEAD).copy(), head);
  }

  #make(to: Place, watermark_ms: number | null, limits: ChannelLimits): void {
    const rows = inOrder(this.#rows);
    this.#rows = [];
    for (const block of cutBlocks(rows, { from: this.#made, to, watermark_ms }, limits)) {
      const row = this.#next++;
      const bytes = encodeBlock(block);
      this.#table.put(this.#blockKey(row), bytes);
      this.#owe(row, block, bytes.length);
    }
  }

  #extend(tail: OwedBlock, to: Place, watermark_ms: number | null): void {
    tail.block = { ...tail.block, to, watermark_ms: watermark_ms ?? tail.block.watermark_ms };
    const bytes = encodeBlock(tail.block);
    this.#table.put(this.#blockKey(tail.row), bytes);
    this.#owed_bytes += bytes.length - tail.size_bytes;
    tail.size_bytes = bytes.length;
  }

  #blockKey(row: number): Uint8Array {
    return new ByteWriter().bytes(this.#prefix).u8(BLOCK).u48(row).copy();
  }

  /** The next block to be sent. From now on it stays as it is. */
  next(): Block | undefined {
    const owed = this.#owed.peek();
    if (owed === this.#tail) this.#tail = undefined;
    return owed?.block;
  }

  /** Lets go of what the channel has up to `end`. Gives how many rows those blocks had. */
  settle(end: Place): number {
    let rows = 0;
    for (;;) {
      const owed = this.#owed.peek();
      if (owed === undefined || comparePlaces(owed.block.to, end) > 0) return rows;
      this.#owed.shift();
      if (owed === this.#tail) this.#tail = undefined;
      this.#stored.push(owed.row);
      this.#owed_blocks--;
      this.#owed_bytes -= owed.size_bytes;
      rows += owed.block.rows.length;
    }
  }
}

/**
 * By the records that they come of, each record's in the order in which they came out. Where ways of one record meet
 * again that is the same however records were put together into batches.
 */
function inOrder(rows: ChannelRow[]): readonly ChannelRow[] {
  const isSorted = rows.every(
    ({ sequence }, at) => at === 0 || sequence >= (rows[at - 1] as ChannelRow).sequence,
  );
  return isSorted ? rows : rows.toSorted((a, b) => a.sequence - b.sequence);
}
