import type { ArchivedMessage } from '../../analytics/index.ts';
import type { BlobStore } from '../../connectors/index.ts';
import { MillraceError, type Source, type SourceRecord } from '../../engine/index.ts';

/** Messages, a stream in memory, and folders that fail. For tests. */

/** When the first message was stored, ms. */
export const T0 = Date.UTC(2025, 2, 1);

export const event = (at: number, more: object = {}): string =>
  JSON.stringify({
    ...{ event_id: `e${at}`, type: 'order.created', time: new Date(T0 + at * 7_200_000).toISOString() },
    ...{ order_id: `o${at}`, customer_id: `c${at % 3}`, amount: 100 + at, currency: 'EUR', ...more },
  });

export function message(
  sequence: number,
  data: string | Uint8Array,
  more: Partial<ArchivedMessage> = {},
): ArchivedMessage {
  const subject = `events.${sequence % 3 === 0 ? 'b' : 'a'}.x`;
  return {
    sequence,
    stored_ms: T0 + sequence * 1_000,
    subject,
    data: Buffer.from(data),
    headers: [],
    ...more,
  };
}

export const orders = (count: number): ArchivedMessage[] =>
  Array.from({ length: count }, (_, at) => message(at + 1, event(at + 1)));

export class ListedStream {
  messages: readonly ArchivedMessage[];
  incarnation = 'one';
  first = 1;

  constructor(messages: readonly ArchivedMessage[]) {
    this.messages = messages;
  }

  get last(): number {
    return this.messages.at(-1)?.sequence ?? 0;
  }

  trim(before: number): Promise<void> {
    this.messages = this.messages.filter(({ sequence }) => sequence >= before);
    this.first = Math.max(this.first, before);
    return Promise.resolve();
  }

  open(): Source {
    let next = 1;
    const facts = () => ({
      stream: 'EVENTS',
      incarnation: this.incarnation,
      firstSequence: this.first,
      lastSequence: Math.max(this.last, this.first - 1),
    });
    return {
      partition: '0',
      isWhole: true,
      facts: async () => facts(),
      start: async (after) => {
        if (after + 1 < this.first) throw new MillraceError('position_before_stream', 'It is gone.');
        next = after + 1;
      },
      take: async ({ max }) => {
        const taken = this.messages.filter(({ sequence }) => sequence >= next).slice(0, max);
        next = (taken.at(-1)?.sequence ?? next - 1) + 1;
        return taken.map(recordOf);
      },
      state: () => ({
        headSequence: this.last,
        caughtUp: next > this.last,
        connected: true,
        skipped: 0,
      }),
      stop: async () => {},
    };
  }
}

function recordOf(message: ArchivedMessage): SourceRecord {
  const { headers, ...rest } = message;
  return {
    ...rest,
    hasHeaders: headers.length > 0,
    header: (name) => headers.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1],
    headers: () => headers,
  };
}

/** Ends as a process that is killed: at the operation of a number, before or behind its effect. */
export class KilledFolder implements BlobStore {
  readonly url = 'killed';
  readonly #folder: BlobStore;
  #left: number;
  readonly #isBehind: boolean;
  isKilled = false;

  constructor(folder: BlobStore, operations: number, isBehind: boolean) {
    this.#folder = folder;
    this.#left = operations;
    this.#isBehind = isBehind;
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.isKilled) throw new Error('killed');
    this.#left -= 1;
    if (this.#left >= 0) return await work();
    this.isKilled = true;
    if (this.#isBehind) await work();
    throw new Error('killed');
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#do(() => this.#folder.put(name, bytes));
  }

  remove(name: string): Promise<void> {
    return this.#do(() => this.#folder.remove(name));
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#folder.get(name);
  }

  list(prefix: string): Promise<readonly string[]> {
    return this.#folder.list(prefix);
  }

  close(): Promise<void> {
    return this.#folder.close();
  }
}
