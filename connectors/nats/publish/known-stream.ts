import { createHmac } from 'node:crypto';
import type { NatsLink } from '../client/index.ts';
import { openManager, streamFacts } from '../client/index.ts';
import { type EventMessage, EventPublisher, type PublishResult } from './publisher.ts';

/** How long the server's word of which stream it is counts, ms. */
const KNOWN_MS = 1_000;

interface Known {
  readonly incarnation: string;
  readonly lastSequence: number;
  readonly at_ms: number;
}

/**
 * Publishes events to one stream, and says of which stream of that name their sequences are: an acknowledgement does
 * not. The server is asked at most once a second, before the messages are sent; where a sequence is not behind what the
 * stream had then (it was made again meanwhile, or the message was there already), it is asked again.
 *
 * The server knows message ids by the stream, whoever sent them: with an id that can be guessed any publisher could send
 * first, and what is published here would be taken for a repeat and not be stored. So ids are made with a secret.
 */
export class KnownStreamPublisher {
  readonly #events: EventPublisher;
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #secret: Uint8Array;
  #known: Known | undefined;
  #asking: Promise<Known | undefined> | undefined;

  /** Processes that share the `secret` know each other's repeats. */
  constructor(link: NatsLink, stream: string, secret: Uint8Array) {
    this.#events = new EventPublisher(link);
    this.#secret = secret;
    this.#link = link;
    this.#stream = stream;
  }

  /** As `EventPublisher.publishAll`; `incarnation` is absent where the server has not said it. */
  async publishAll(
    messages: readonly EventMessage[],
  ): Promise<PublishResult & { readonly incarnation?: string }> {
    const before = await this.#ask(KNOWN_MS);
    const result = await this.#events.publishAll(messages.map((message) => this.#withSecret(message)));
    const isBehind =
      before !== undefined && result.sequences.every((sequence) => sequence > before.lastSequence);
    const known = isBehind ? before : await this.#ask(0);
    return known === undefined ? result : { ...result, incarnation: known.incarnation };
  }

  #withSecret(message: EventMessage): EventMessage {
    if (message.id === undefined) return message;
    return { ...message, id: createHmac('sha256', this.#secret).update(message.id).digest('hex') };
  }

  /** What is known, of at most `age_ms` ago; undefined when the server does not answer: nobody is kept from publishing. */
  async #ask(age_ms: number): Promise<Known | undefined> {
    if (this.#known !== undefined && performance.now() - this.#known.at_ms <= age_ms) return this.#known;
    if (!this.#link.connected) return undefined;
    this.#asking ??= this.#look().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #look(): Promise<Known | undefined> {
    const at_ms = performance.now();
    try {
      const { incarnation, lastSequence } = await streamFacts(await openManager(this.#link), this.#stream);
      this.#known = { incarnation, lastSequence, at_ms };
    } catch {
      // The publish itself will say what is wrong.
      this.#known = undefined;
    }
    return this.#known;
  }
}
