import { JetStreamApiError, type JetStreamClient, type StoredMsg } from '@nats-io/jetstream';
import {
  type MessageQueue,
  MillraceError,
  type NewMessage,
  type QueuedMessage,
  type Work,
  type WorkItem,
  type WorkOutcome,
  type WorkSpec,
} from '../../../engine/index.ts';
import {
  describe,
  isStreamNotFound,
  jetStreamOf,
  type NatsLink,
  noStream,
  openManager,
  refusal,
  untilConnected,
} from '../client/index.ts';
import { BackwardScan, delivered, readerOf } from './backward-scan.ts';
import { ensureQueueStream, type QueueStream } from './queue-streams.ts';
import { isConsumerNotFound, SharedWork } from './shared-work.ts';

const RECONNECT_WAIT_MS = 2_000;
const PUBLISH_TIMEOUT_MS = 5_000;
const PUBLISH_TRIES = 3;
/** How long reading all messages of a subject may take, ms. */
const LIST_MS = 5_000;
const NO_MESSAGE = 10_037;

/**
 * The queue of a stream. A `QueueStream` is made where it is not there, also later, when it was deleted; the name of
 * one is a stream that others look after, to be worked on. `warn` hears it where the stream keeps less than it should.
 */
export async function openMessageQueue(
  link: NatsLink,
  stream: QueueStream | string,
  warn?: (sentence: string) => void,
): Promise<MessageQueue> {
  const queue = new NatsMessageQueue(link, stream);
  const smaller = await queue.ensure();
  if (smaller !== undefined) warn?.(smaller);
  return queue;
}

class NatsMessageQueue implements MessageQueue {
  readonly #link: NatsLink;
  readonly #stream: QueueStream | undefined;
  readonly #name: string;
  readonly #client: JetStreamClient;

  constructor(link: NatsLink, stream: QueueStream | string) {
    this.#link = link;
    this.#stream = typeof stream === 'string' ? undefined : stream;
    this.#name = typeof stream === 'string' ? stream : stream.name;
    this.#client = jetStreamOf(link);
  }

  /** A sentence where its stream keeps less than it should. */
  async ensure(): Promise<string | undefined> {
    const stream = this.#stream;
    if (stream === undefined) return undefined;
    return await this.#reaching(() => ensureQueueStream(this.#link, stream));
  }

  async append({
    subject,
    id,
    data,
  }: NewMessage): Promise<{ readonly sequence: number; readonly isRepeat: boolean }> {
    return await this.#reaching(async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          const options = { msgID: id, timeout: PUBLISH_TIMEOUT_MS };
          const { seq, duplicate } = await this.#client.publish(subject, data, options);
          return { sequence: seq, isRepeat: duplicate };
        } catch (error) {
          const refused = refusal(error, subject);
          if (refused !== undefined) throw refused;
          if (attempt >= PUBLISH_TRIES) throw error;
          if (noStream(error, subject) !== undefined) await this.ensure();
        }
      }
    });
  }

  async read(sequence: number): Promise<QueuedMessage | undefined> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      try {
        const found = await manager.streams.getMessage(this.#name, { seq: sequence });
        return found === null ? undefined : stored(found);
      } catch (error) {
        if (error instanceof JetStreamApiError && error.code === NO_MESSAGE) return undefined;
        throw error;
      }
    });
  }

  async list(subject: string): Promise<readonly QueuedMessage[]> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      const reader = await manager.consumers.add(this.#name, readerOf(subject));
      try {
        if (reader.num_pending === 0) return [];
        const consumer = await this.#client.consumers.get(this.#name, reader.name);
        const found: QueuedMessage[] = [];
        const batch = await consumer.fetch({ max_messages: reader.num_pending, expires: LIST_MS });
        for await (const message of batch) found.push(delivered(message));
        return found;
      } finally {
        await manager.consumers.delete(this.#name, reader.name).catch(() => false);
      }
    });
  }

  async newest(pattern: string, max: number, before?: number): Promise<readonly QueuedMessage[]> {
    return await this.#reaching(async () => {
      const { state } = await (await openManager(this.#link)).streams.info(this.#name);
      const scan = new BackwardScan(this.#link, this.#name, pattern);
      return await scan.newest(
        max,
        Math.max(1, state.first_seq),
        Math.min(before ?? state.last_seq + 1, state.last_seq + 1),
      );
    });
  }

  async oldest(): Promise<QueuedMessage | undefined> {
    const { first_seq } = await this.#reaching(
      async () => (await (await openManager(this.#link)).streams.info(this.#name)).state,
    );
    return first_seq === 0 ? undefined : await this.read(first_seq);
  }

  async subjects(pattern: string): Promise<readonly string[]> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      const { state } = await manager.streams.info(this.#name, { subjects_filter: pattern });
      return Object.keys(state.subjects ?? {});
    });
  }

  async purge(subject: string): Promise<void> {
    await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      await manager.streams.purge(this.#name, { filter: subject });
    });
  }

  work(spec: WorkSpec, handle: (item: WorkItem, signal: AbortSignal) => Promise<WorkOutcome>): Work {
    return new SharedWork(this.#link, this.#name, spec, handle);
  }

  async isHeld(name: string, first: number, last: number): Promise<boolean> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      try {
        const { num_ack_pending, ack_floor, delivered } = await manager.consumers.info(this.#name, name);
        return num_ack_pending > 0 && ack_floor.stream_seq < last && delivered.stream_seq >= first;
      } catch (error) {
        if (isConsumerNotFound(error) || isStreamNotFound(error)) return false;
        throw error;
      }
    });
  }

  async forget(name: string): Promise<void> {
    await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      try {
        await manager.consumers.delete(this.#name, name);
      } catch (error) {
        if (!isConsumerNotFound(error) && !isStreamNotFound(error)) throw error;
      }
    });
  }

  async #reaching<T>(request: () => Promise<T>): Promise<T> {
    try {
      // A request that is made without a connection would only time out.
      if (await untilConnected(this.#link, RECONNECT_WAIT_MS)) return await request();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw this.#unavailable(describe(error), error);
    }
    throw this.#unavailable(`there is no connection to ${this.#link.url}`);
  }

  #unavailable(why: string, cause?: unknown): MillraceError {
    return new MillraceError(
      'queue_unavailable',
      `Stream "${this.#name}" cannot be used now: ${why}. Try again.`,
      {
        cause,
        retriable: true,
      },
    );
  }
}

const NO_HEADER = (): undefined => undefined;

function stored({ seq, subject, data, time }: StoredMsg): QueuedMessage {
  return { sequence: seq, subject, data, stored_at_ms: time.getTime(), header: NO_HEADER };
}
