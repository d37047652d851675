import type { Source, SourceRecord, SourceState, StreamFacts, Take } from '../../index.ts';
import { encodeEvent } from './messages.ts';
import type { NexmarkEvent } from './model.ts';

/** Messages one after the other in one block of memory, as a receive buffer has them. */
export interface MessageBlock {
  readonly buffer: Uint8Array;
  /** Message n of the block lies in [ends[n - 1], ends[n]). */
  readonly ends: Uint32Array;
}

/** Far below 2 GiB, beyond which a Buffer silently writes nothing. */
const MAX_BLOCK_BYTES = 2 ** 30;
const FIRST_BYTES = 2 ** 20;

/** Encodes events, in blocks of at most `max_block_bytes`, or of one longer message. */
export function packMessages(
  events: Iterable<NexmarkEvent>,
  max_block_bytes = MAX_BLOCK_BYTES,
): readonly MessageBlock[] {
  const blocks: MessageBlock[] = [];
  let buffer = Buffer.alloc(FIRST_BYTES);
  let ends: number[] = [];
  let length = 0;
  const finish = (): void => {
    blocks.push({ buffer: buffer.subarray(0, length), ends: Uint32Array.from(ends) });
    buffer = Buffer.alloc(FIRST_BYTES);
    ends = [];
    length = 0;
  };
  for (const event of events) {
    const text = encodeEvent(event);
    const size_bytes = Buffer.byteLength(text);
    if (length > 0 && length + size_bytes > max_block_bytes) finish();
    if (length + size_bytes > buffer.length) {
      const larger = Math.max(buffer.length * 2, length + size_bytes);
      buffer = Buffer.concat([buffer.subarray(0, length)], larger);
    }
    length += buffer.write(text, length);
    ends.push(length);
  }
  if (ends.length > 0) finish();
  return blocks;
}

export function messagesIn(blocks: readonly MessageBlock[]): number {
  return blocks.reduce((sum, { ends }) => sum + ends.length, 0);
}

const SUBJECT = 'events.nexmark';
const noHeader = (): undefined => undefined;

/**
 * A source of messages that are all there from the beginning. Message n has the sequence n + 1. `take` never
 * waits: drive the task with `step` until everything is taken.
 */
export class MemorySource implements Source {
  readonly partition = '0';
  readonly #blocks: readonly MessageBlock[];
  readonly #count: number;
  #next = 0;
  /** The block of the next message, and the number of its first. */
  #at = 0;
  #first = 0;

  /** Of the messages of all blocks the first `count`. */
  constructor(blocks: readonly MessageBlock[], count = messagesIn(blocks)) {
    this.#blocks = blocks;
    this.#count = Math.min(count, messagesIn(blocks));
  }

  facts(): Promise<StreamFacts> {
    const lastSequence = this.#count;
    return Promise.resolve({ stream: 'NEXMARK', incarnation: 'memory', firstSequence: 1, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#next = after;
    return Promise.resolve();
  }

  take({ max }: Take): Promise<readonly SourceRecord[]> {
    const block = this.#block();
    if (block === undefined) return Promise.resolve([]);
    const { buffer, ends } = block;
    const first = this.#next - this.#first;
    const last = Math.min(first + max, ends.length, this.#count - this.#first);
    const records = new Array<SourceRecord>(last - first);
    let start = first === 0 ? 0 : (ends[first - 1] as number);
    for (let index = first; index < last; index++) {
      const end = ends[index] as number;
      records[index - first] = new MemoryRecord(this.#first + index + 1, buffer, start, end);
      start = end;
    }
    this.#next = this.#first + last;
    return Promise.resolve(records);
  }

  /** That of the next message; undefined at the end. */
  #block(): MessageBlock | undefined {
    if (this.#next >= this.#count) return undefined;
    for (;;) {
      const block = this.#blocks[this.#at] as MessageBlock;
      if (this.#next < this.#first + block.ends.length) return block;
      this.#first += block.ends.length;
      this.#at++;
    }
  }

  state(): SourceState {
    const headSequence = this.#count;
    return { headSequence, caughtUp: this.#next === headSequence, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** A message in place; a view of it is made only for who asks. */
class MemoryRecord implements SourceRecord {
  readonly subject = SUBJECT;
  readonly hasHeaders = false;
  readonly header = noHeader;
  readonly sequence: number;
  readonly region: { readonly buffer: Uint8Array; readonly start: number; readonly end: number };

  constructor(sequence: number, buffer: Uint8Array, start: number, end: number) {
    this.sequence = sequence;
    this.region = { buffer, start, end };
  }

  get data(): Uint8Array {
    const { buffer, start, end } = this.region;
    return buffer.subarray(start, end);
  }
}
