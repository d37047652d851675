import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { isStreamNotFound, type NatsLink, openManager } from '../client/index.ts';

export interface SubjectFeedOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** The subjects of a tenant, e.g. `anomalies.<tenant>.>`. */
  readonly subjectOf: (tenant: string) => string;
  /** How often the stream is asked for what is new, of each tenant that somebody waits for, ms. Default: 500. */
  readonly poll_ms?: number;
}

export interface FedMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
}

interface Shared {
  readonly found: Promise<FedMessage>;
  readonly stop: AbortController;
  waiting: number;
}

const DEFAULT_POLL_MS = 500;

/**
 * Messages of a stream one after the other, for any number of readers that each know how far they are. Nothing is
 * buffered for a reader: a slow one takes its next message later. Those at one place share one request.
 */
export class SubjectFeed {
  readonly #options: SubjectFeedOptions;
  readonly #shared = new Map<string, Shared>();
  #manager: JetStreamManager | undefined;

  constructor(options: SubjectFeedOptions) {
    this.#options = options;
  }

  /** Sequence of the stream's newest message; 0: there is none. */
  async last(): Promise<number> {
    const manager = await this.#open();
    return (await manager.streams.info(this.#options.stream)).state.last_seq;
  }

  /** The newest message of a subject; undefined: there is none. */
  async latest(subject: string): Promise<Uint8Array | undefined> {
    const manager = await this.#open();
    return (await manager.direct.getMessage(this.#options.stream, { last_by_subj: subject }))?.data;
  }

  /** The first message of a tenant behind a sequence, when it is there. Rejects with the signal's reason. */
  async next(tenant: string, after: number, signal: AbortSignal): Promise<FedMessage> {
    signal.throwIfAborted();
    const key = `${tenant}|${after}`;
    const shared = this.#shared.get(key) ?? this.#begin(key, tenant, after);
    shared.waiting++;
    try {
      return await untilAborted(shared.found, signal);
    } finally {
      if (--shared.waiting === 0) {
        shared.stop.abort();
        if (this.#shared.get(key) === shared) this.#shared.delete(key);
      }
    }
  }

  #begin(key: string, tenant: string, after: number): Shared {
    const stop = new AbortController();
    const shared: Shared = { stop, found: this.#find(tenant, after, stop.signal), waiting: 0 };
    // Whoever waits hears of it; when nobody does any more it ends by the signal.
    shared.found.catch(() => undefined);
    this.#shared.set(key, shared);
    return shared;
  }

  async #find(tenant: string, after: number, signal: AbortSignal): Promise<FedMessage> {
    const { stream, subjectOf, poll_ms = DEFAULT_POLL_MS } = this.#options;
    for (;;) {
      const query = { seq: after + 1, next_by_subj: subjectOf(tenant) };
      try {
        const manager = await this.#open();
        const message = await manager.direct.getMessage(stream, query);
        if (message !== null) return { sequence: message.seq, data: message.data };
      } catch (error) {
        signal.throwIfAborted();
        if (isStreamNotFound(error)) throw error;
        // The server is away: it is asked again.
      }
      await sleep(poll_ms, undefined, { signal });
    }
  }

  async #open(): Promise<JetStreamManager> {
    this.#manager ??= await openManager(this.#options.link);
    return this.#manager;
  }
}

/** Rejects with the signal's reason when that comes first. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: () => void = () => undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
