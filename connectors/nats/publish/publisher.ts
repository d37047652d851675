import { setTimeout as sleep } from 'node:timers/promises';
import type { JetStreamClient, PubAck } from '@nats-io/jetstream';
import { headers, type MsgHdrs, nuid } from 'nats';
import { MillraceError, type OutMessage, type Publisher, type Stored } from '../../../engine/index.ts';
import {
  describe,
  isUnanswered,
  jetStreamOf,
  type NatsLink,
  noStream,
  refusal,
  untilConnected,
} from '../client/index.ts';
import { cutLetter, halved, isLetter } from './cut-letter.ts';

const OUTBOX_TIMEOUT_MS = 5_000;

/**
 * Sends the outbox's messages into streams, with their id as the server's message id, so that a repeated
 * send within its duplicate window is stored once. A dead letter that is larger than server or stream take is cut.
 */
export class JetStreamPublisher implements Publisher {
  readonly #link: NatsLink;
  readonly #client: JetStreamClient;
  readonly #timeout_ms: number;

  /** `timeout_ms` bounds the wait for the stream's acknowledgement. */
  constructor(link: NatsLink, timeout_ms: number = OUTBOX_TIMEOUT_MS) {
    this.#link = link;
    this.#client = jetStreamOf(link);
    this.#timeout_ms = timeout_ms;
  }

  /**
   * Rejects when it is not known whether the message was stored (repeat it), with `no_stream_for_subject`
   * (retriable) when nobody takes the subject, with a named error of `refusal` when the stream does not take it, or
   * with `bad_message` for a member that no message has.
   */
  async publish(message: OutMessage): Promise<Stored> {
    checkMessage(message);
    const { max_payload } = this.#link.connection.info ?? {};
    if (max_payload === undefined || !isLetter(message)) return await this.#send(message);
    let letter = cutLetter(message, max_payload);
    for (;;) {
      try {
        return await this.#send(letter);
      } catch (error) {
        // The stream takes less than its server.
        const isLarge = error instanceof MillraceError && error.code === 'message_too_large';
        const smaller = isLarge ? halved(letter) : undefined;
        if (smaller === undefined) throw error;
        letter = smaller;
      }
    }
  }

  async #send({ id, subject, headers: names, payload }: OutMessage): Promise<Stored> {
    try {
      const { duplicate } = await this.#client.publish(subject, payload, {
        msgID: id,
        headers: toHeaders(names),
        timeout: this.#timeout_ms,
      });
      return { isDuplicate: duplicate };
    } catch (error) {
      throw refusal(error, subject) ?? noStream(error, subject) ?? error;
    }
  }
}

/** A message, as `JetStreamPublisher` takes it too. */
export interface EventMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** The server stores one message of an id within its duplicate window. Default: one of its own. */
  readonly id?: string;
  /** Several values of one name are several headers. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

const MEMBERS: ReadonlySet<string> = new Set<keyof OutMessage>([
  ...(['id', 'subject', 'payload', 'headers', 'unordered', 'isLocalId'] as const),
]);

/** A member of another name would be left out unsaid: an id that is not taken for one, and a message stored twice. */
function checkMessage(message: object): void {
  for (const name of Object.keys(message)) {
    if (MEMBERS.has(name)) continue;
    throw new MillraceError(
      'bad_message',
      `A message has no member "${name}": it has subject, payload, id (by which a repeat is known) and headers.`,
    );
  }
}

/**
 * What became of messages: their sequences in the stream, in the order of the call, and how many the stream had
 * already.
 */
export interface PublishResult {
  /** The highest of `sequences`; 0 of no messages. */
  readonly lastSequence: number;
  /** The stream sequence of each message, in the order given. */
  readonly sequences: readonly number[];
  /** Messages whose id the stream had already; they have the sequence of the first. */
  readonly duplicates: number;
}

/** Bounds of an `EventPublisher`: what is under way, and how long it is tried. */
export interface EventPublisherLimits {
  /** Publishes without an answer, of all calls together, in messages. */
  readonly window_messages: number;
  /** How long one attempt waits for its answer, ms. */
  readonly attempt_timeout_ms: number;
  /** How long a message is tried, ms; well below the stream's duplicate window. */
  readonly total_timeout_ms: number;
  readonly retry_pause_ms: number;
}

/** Limits of an `EventPublisher` that is made without its own. */
export const DEFAULT_EVENT_PUBLISHER_LIMITS: EventPublisherLimits = {
  window_messages: 512,
  attempt_timeout_ms: 2_000,
  total_timeout_ms: 15_000,
  retry_pause_ms: 100,
};

/** Publishes batches of events; an answer means that the stream has stored all of them. */
export class EventPublisher {
  readonly #link: NatsLink;
  readonly #client: JetStreamClient;
  readonly #limits: EventPublisherLimits;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(link: NatsLink, limits: Partial<EventPublisherLimits> = {}) {
    this.#link = link;
    this.#client = jetStreamOf(link);
    this.#limits = { ...DEFAULT_EVENT_PUBLISHER_LIMITS, ...limits };
    this.#free = this.#limits.window_messages;
  }

  /** Publishes without an answer, in messages. */
  get inFlight(): number {
    return this.#limits.window_messages - this.#free;
  }

  /**
   * Publishes in the order given; a message that had to be repeated may come later in the stream. Rejects
   * when one could not be stored, and then says how many were: `stream_unavailable` (retriable), or a
   * named error of `refusal`, or `bad_message` for a member that no message has. Repeating the call with the same message ids stores nothing twice.
   */
  async publishAll(messages: readonly EventMessage[]): Promise<PublishResult> {
    const acks: (PubAck | undefined)[] = new Array(messages.length).fill(undefined);
    const sends: Promise<void>[] = [];
    let failure: unknown;
    for (const [index, message] of messages.entries()) {
      if (this.#free > 0) this.#free--;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (failure !== undefined) {
        this.#release();
        break;
      }
      const send = async (): Promise<void> => {
        try {
          acks[index] = await this.#publish(message);
        } catch (error) {
          failure ??= error;
        } finally {
          this.#release();
        }
      };
      sends.push(send());
    }
    await Promise.all(sends);
    if (failure !== undefined) throw withCount(failure, acks);
    const sequences = acks.map((ack) => ack?.seq ?? 0);
    return {
      lastSequence: sequences.reduce((a, b) => Math.max(a, b), 0),
      sequences,
      duplicates: acks.filter((ack) => ack?.duplicate === true).length,
    };
  }

  /** Hands the place on to who waits longest. */
  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  async #publish(message: EventMessage): Promise<PubAck> {
    checkMessage(message);
    const { subject, payload, id, headers: names } = message;
    const { attempt_timeout_ms, total_timeout_ms, retry_pause_ms } = this.#limits;
    const deadline_ms = performance.now() + total_timeout_ms;
    // A time-out does not say that it was not stored: every attempt has the same id.
    const options = {
      msgID: id ?? nuid.next(),
      headers: toHeaders(names ?? {}),
      timeout: attempt_timeout_ms,
    };
    for (;;) {
      let problem: unknown = new Error('the connection is lost');
      // What is published while there is no connection is dropped by the client, and would only time out.
      if (this.#link.connected) {
        try {
          return await this.#client.publish(subject, payload, options);
        } catch (error) {
          const refused = refusal(error, subject);
          if (refused !== undefined) throw refused;
          problem = error;
        }
      }
      if (performance.now() + retry_pause_ms > deadline_ms || this.#link.connection.isClosed()) {
        if (isUnanswered(problem)) throw noTaker(subject, problem);
        throw new MillraceError(
          'stream_unavailable',
          `The stream of "${subject}" did not confirm a message within ${total_timeout_ms} ms ` +
            `(${describe(problem)}); it may have been stored. Publish again with the same message ids ` +
            'when the server is back.',
          { cause: problem, retriable: true },
        );
      }
      await sleep(retry_pause_ms);
      await untilConnected(this.#link, deadline_ms - performance.now());
    }
  }
}

const noTaker = (subject: string, cause: unknown): MillraceError =>
  new MillraceError(
    'stream_missing',
    `No stream on the server takes "${subject}", so nothing was stored: the stream was deleted, or the server still starts. ` +
      'Restore it from its backup, and publish again.',
    { cause, retriable: true },
  );

function withCount(failure: unknown, acks: readonly (PubAck | undefined)[]): unknown {
  if (!(failure instanceof MillraceError)) return failure;
  const stored = acks.filter((ack) => ack !== undefined).length;
  return new MillraceError(
    failure.code,
    `${failure.message} ${stored} of ${acks.length} messages were stored.`,
    { cause: failure.cause, retriable: failure.retriable },
  );
}

function toHeaders(names: Readonly<Record<string, string | readonly string[]>>): MsgHdrs {
  const set = headers();
  for (const [name, values] of Object.entries(names)) {
    // A line break would end the header; the client throws at it, and the message would never leave.
    for (const value of [values].flat()) set.append(name, value.replace(/[\r\n]+/g, ' '));
  }
  return set;
}
