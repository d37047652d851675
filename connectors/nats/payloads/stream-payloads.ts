import type { JetStreamManager } from '@nats-io/jetstream';
import { MillraceError } from '../../../engine/index.ts';
import { isForbidden, isNoMessage, type NatsLink, openManager, streamFacts } from '../client/index.ts';
import { DEFAULT_PULL_LIMITS, JetStreamSource, type NatsRecord } from '../source/index.ts';
import { getDirect, unavailable } from './direct-get.ts';
import { getOfLeader } from './leader-get.ts';

export interface StreamPayloadsOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** The subjects of a tenant, e.g. `events.<tenant>.>`. */
  readonly subjectOf: (tenant: string) => string;
}

/** Requests to the stream's leader at once, where direct ones are not possible. */
const LEADER_REQUESTS = 64;
/** How long the first sequence is taken for known, ms. */
const FIRST_KNOWN_MS = 1_000;
const TAKE_RECORDS = 1_000;
const TAKE_WAIT_MS = 250;
/** A range that brings nothing for so long is given up, ms. */
const STILL_MAX_MS = 10_000;

/** The messages of a stream, for who knows their sequences. Keeps nothing open between two calls. */
export class StreamPayloads {
  readonly #options: StreamPayloadsOptions;
  #manager: JetStreamManager | undefined;
  #first: { readonly sequence: number; readonly at_ms: number } | undefined;
  #isDirect = true;

  constructor(options: StreamPayloadsOptions) {
    this.#options = options;
  }

  /**
   * Single messages; null for one that the stream does not have. Throws `stream_unavailable`, `stream_missing`
   * (both retriable) and the signal's reason.
   */
  async fetch(
    sequences: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, NatsRecord | null>> {
    const { link, stream } = this.#options;
    const direct = this.#isDirect ? await getDirect(link, stream, sequences, signal) : undefined;
    if (direct === undefined) {
      await this.firstSequence();
      // The stream is there, so it is its configuration.
      this.#isDirect = false;
      return await this.#fetchOfLeader(sequences, signal);
    }
    const found = new Map<number, NatsRecord | null>(direct);
    const absent = sequences.filter((sequence) => direct.get(sequence) === null);
    if (absent.length === 0) return found;
    // A follower that is behind answers direct requests, too; only the leader knows what is not there.
    const first = await this.firstSequence();
    const open = absent.filter((sequence) => sequence >= first);
    for (const [sequence, record] of await this.#fetchOfLeader(open, signal)) found.set(sequence, record);
    return found;
  }

  async #fetchOfLeader(
    sequences: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, NatsRecord | null>> {
    const found = new Map<number, NatsRecord | null>();
    for (let at = 0; at < sequences.length; at += LEADER_REQUESTS) {
      signal.throwIfAborted();
      const slice = sequences.slice(at, at + LEADER_REQUESTS);
      const records = await Promise.all(slice.map((sequence) => this.#getOfLeader(sequence)));
      for (const [index, sequence] of slice.entries()) found.set(sequence, records[index] ?? null);
    }
    return found;
  }

  async #getOfLeader(sequence: number): Promise<NatsRecord | null> {
    try {
      return await getOfLeader(this.#options.link, this.#options.stream, sequence);
    } catch (error) {
      throw error instanceof MillraceError ? error : unavailable(error);
    }
  }

  /**
   * What the stream has from `from` to `to`, in order, read by a consumer of its own: faster than single requests
   * by far, for a range that is wanted as a whole. A `tenant` reads only its subjects, which the server finds one
   * by one: for a tenant with a small part of the stream. Throws as `fetch` does.
   */
  async *read(
    from: number,
    to: number,
    tenant: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<NatsRecord> {
    signal.throwIfAborted();
    const { link, stream, subjectOf } = this.#options;
    const messages = Math.max(1, Math.min(DEFAULT_PULL_LIMITS.pull_max_messages, to - from + 1));
    const source = new JetStreamSource({
      link,
      stream,
      gaps: 'normal',
      limits: { pull_max_messages: messages, buffer_max_messages: 4 * messages },
      ...(tenant === undefined ? {} : { filter_subjects: [subjectOf(tenant)] }),
    });
    const leave = (): void => void source.stop().catch(() => undefined);
    signal.addEventListener('abort', leave, { once: true });
    try {
      await source.start(from - 1);
      let heard_ms = performance.now();
      for (;;) {
        const records = await source.take({ max: TAKE_RECORDS, wait_ms: TAKE_WAIT_MS });
        signal.throwIfAborted();
        for (const record of records) {
          if (record.sequence > to) return;
          yield record;
          if (record.sequence === to) return;
        }
        if (records.length > 0) heard_ms = performance.now();
        else if ((source.passed() ?? 0) >= to || source.state().caughtUp) return;
        else if (performance.now() - heard_ms > STILL_MAX_MS) {
          throw unavailable(new Error(`no message for ${STILL_MAX_MS} ms`));
        }
      }
    } finally {
      signal.removeEventListener('abort', leave);
      // Nobody waits for the consumer to be removed: the server does it by itself, too.
      leave();
    }
  }

  /**
   * The first sequence that the stream still has; behind its last one where it is empty. It may be that of a second ago,
   * unless a `fresh` one is asked for.
   */
  async firstSequence({ fresh = false }: { readonly fresh?: boolean } = {}): Promise<number> {
    const known = this.#first;
    const now_ms = performance.now();
    if (!fresh && known !== undefined && now_ms - known.at_ms < FIRST_KNOWN_MS) return known.sequence;
    try {
      const { firstSequence } = await streamFacts(await this.#open(), this.#options.stream);
      this.#first = { sequence: firstSequence, at_ms: now_ms };
      return firstSequence;
    } catch (error) {
      throw error instanceof MillraceError ? error : unavailable(error);
    }
  }

  /**
   * Deletes a message; the server overwrites its bytes. False where the stream does not have it. Throws
   * `stream_unavailable` (retriable), and `nats_permission_denied`, which names what is missing.
   */
  async erase(sequence: number): Promise<boolean> {
    try {
      return await (await this.#open()).streams.deleteMessage(this.#options.stream, sequence, true);
    } catch (error) {
      if (isNoMessage(error)) return false;
      if (isForbidden(error)) throw forbidden(this.#options.stream, error);
      throw error instanceof MillraceError ? error : unavailable(error);
    }
  }

  async #open(): Promise<JetStreamManager> {
    this.#manager ??= await openManager(this.#options.link);
    return this.#manager;
  }
}

const forbidden = (stream: string, cause: unknown): MillraceError =>
  new MillraceError(
    'nats_permission_denied',
    `The NATS server does not let these credentials delete messages of the stream ${stream}: grant ` +
      `STREAM.MSG.DELETE.${stream} of its API (docs/nats.md).`,
    { cause },
  );
