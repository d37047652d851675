import type { Source, SourceRecord, SourceState, StreamFacts, Take } from '../../index.ts';
import { encodeEvent } from './messages.ts';
import type { NexmarkEvent } from './model.ts';

/** Messages one after the other in one block of memory, as a receive buffer has them. */
export interface MessageBlock {
  readonly buffer: Uint8Array;
  /** Message n lies in [ends[n - 1], ends[n]). */
  readonly ends: Uint32Array;
}

const MAX_BLOCK_BYTES = 2 ** 32 - 1;
const FIRST_BYTES = 2 ** 20;

/** Encodes `count` events. Throws `RangeError` where they are more than 4 GiB. */
export function packMessages(events: Iterable<NexmarkEvent>, count: number): MessageBlock {
  const ends = new Uint32Array(count);
  let buffer = Buffer.alloc(FIRST_BYTES);
  let length = 0;
  let index = 0;
  for (const event of events) {
    const text = encodeEvent(event);
    const size_bytes = Buffer.byteLength(text);
    if (length + size_bytes > MAX_BLOCK_BYTES) throw new RangeError('more than 4 GiB of messages');
    if (length + size_bytes > buffer.length) {
      const larger = Math.min(MAX_BLOCK_BYTES, Math.max(buffer.length * 2, length + size_bytes));
      buffer = Buffer.concat([buffer.subarray(0, length)], larger);
    }
    length += buffer.write(text, length);
    ends[index++] = length;
  }
  if (index !== count) throw new RangeError(`${index} events given, ${count} promised`);
  return { buffer: buffer.subarray(0, length), ends };
}

const SUBJECT = 'events.nexmark';
const noHeader = (): undefined => undefined;

/**
 * A source of messages that are all there from the beginning. Message n has the sequence n + 1. `take` never
 * waits: drive the task with `step` until everything is taken.
 */
export class MemorySource implements Source {
  readonly partition = '0';
  readonly #block: MessageBlock;
  #next = 0;

  constructor(block: MessageBlock) {
    this.#block = block;
  }

  facts(): Promise<StreamFacts> {
    const lastSequence = this.#block.ends.length;
    return Promise.resolve({ stream: 'NEXMARK', incarnation: 'memory', firstSequence: 1, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#next = after;
    return Promise.resolve();
  }

  take({ max }: Take): Promise<readonly SourceRecord[]> {
    const { buffer, ends } = this.#block;
    const first = this.#next;
    const last = Math.min(first + max, ends.length);
    const records = new Array<SourceRecord>(last - first);
    let start = first === 0 ? 0 : (ends[first - 1] as number);
    for (let index = first; index < last; index++) {
      const end = ends[index] as number;
      records[index - first] = new MemoryRecord(index + 1, buffer, start, end);
      start = end;
    }
    this.#next = last;
    return Promise.resolve(records);
  }

  state(): SourceState {
    const headSequence = this.#block.ends.length;
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
