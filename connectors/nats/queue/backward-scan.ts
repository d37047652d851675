import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import type { QueuedMessage } from '../../../engine/index.ts';
import { jetStreamOf, type NatsLink, openManager } from '../client/index.ts';

const READER_IDLE_NS = 30_000_000_000;
/** How long reading one window may take, ms. */
const WINDOW_MS = 5_000;
/** Sequences of the first window. */
const WINDOW_FIRST = 256;
/** By so much the next window is larger. */
const WINDOW_GROWTH = 8;
/** Messages of one window that are read. */
const WINDOW_MAX_MESSAGES = 4_096;

/** A consumer that reads a subject once, from the first message or from a sequence. */
export const readerOf = (subject: string, from?: number): Partial<ConsumerConfig> => ({
  ack_policy: AckPolicy.None,
  ...(from === undefined
    ? { deliver_policy: DeliverPolicy.All }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }),
  filter_subjects: [subject],
  inactive_threshold: READER_IDLE_NS,
  mem_storage: true,
});

const NO_HEADER = (): undefined => undefined;

export function delivered({ info, subject, data }: JsMsg): QueuedMessage {
  const stored_at_ms = Math.floor(info.timestampNanos / 1e6);
  return { sequence: info.streamSequence, subject, data, stored_at_ms, header: NO_HEADER };
}

/**
 * Reads a subject of a stream from its end. A stream is read forwards only, so it goes back by windows of sequences,
 * each larger than the one before where few messages are the subject's.
 */
export class BackwardScan {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subject: string;

  constructor(link: NatsLink, stream: string, subject: string) {
    this.#link = link;
    this.#stream = stream;
    this.#subject = subject;
  }

  /** The newest `max` of the sequences from `first` to before `end`, newest first. */
  async newest(max: number, first: number, end: number): Promise<QueuedMessage[]> {
    const found: QueuedMessage[] = [];
    let high = end;
    let window = Math.max(WINDOW_FIRST, max);
    while (found.length < max && high > first) {
      const low = Math.max(first, high - window);
      const messages = await this.#between(low, high);
      if (messages === undefined) {
        window = Math.max(WINDOW_FIRST, Math.floor(window / WINDOW_GROWTH));
        continue;
      }
      found.push(...messages.reverse());
      high = low;
      window *= WINDOW_GROWTH;
    }
    return found.slice(0, max);
  }

  /** Those from `low` to before `high`, oldest first; undefined: too many for one window. */
  async #between(low: number, high: number): Promise<QueuedMessage[] | undefined> {
    const manager = await openManager(this.#link);
    const reader = await manager.consumers.add(this.#stream, readerOf(this.#subject, low));
    try {
      if (reader.num_pending === 0) return [];
      const consumer = await jetStreamOf(this.#link).consumers.get(this.#stream, reader.name);
      const most = Math.min(reader.num_pending, high - low, WINDOW_MAX_MESSAGES);
      const batch = await consumer.fetch({ max_messages: most, expires: WINDOW_MS });
      const found: QueuedMessage[] = [];
      let isBehind = false;
      for await (const message of batch) {
        if (message.seq >= high) {
          isBehind = true;
          break;
        }
        found.push(delivered(message));
      }
      if (!isBehind && found.length < most) throw new Error(`no messages for ${WINDOW_MS} ms`);
      const isWhole = isBehind || most === reader.num_pending || most === high - low;
      return isWhole ? found : undefined;
    } finally {
      await manager.consumers.delete(this.#stream, reader.name).catch(() => false);
    }
  }
}
