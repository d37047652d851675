import type { Msg, NatsConnection, Subscription } from 'nats';
import { MillraceError } from '../../../engine/index.ts';
import { apiSubject, type NatsLink, newInbox } from '../client/index.ts';
import { type NatsRecord, readRecord, readStatus } from '../source/index.ts';

/** Requests that are not answered yet. */
const OPEN_MAX_REQUESTS = 512;
/** The longest that the server may be silent while requests are open, ms. */
const SILENCE_MAX_MS = 5_000;

/** What a direct get found: the message, or null where the server has none. */
export type Found = ReadonlyMap<number, NatsRecord | null>;

/**
 * Messages of a stream by their sequences, many at once, without a consumer ("direct get", for which the stream has
 * `allow_direct`). Undefined when the stream does not allow it. Throws `stream_unavailable` (retriable), and the
 * signal's reason.
 */
export async function getDirect(
  link: NatsLink,
  stream: string,
  sequences: readonly number[],
  signal: AbortSignal,
): Promise<Found | undefined> {
  signal.throwIfAborted();
  if (sequences.length === 0) return new Map();
  const request = new DirectRequest(link, stream, sequences);
  const leave = (): void => request.fail(signal.reason);
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await request.answered;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

class DirectRequest {
  readonly answered: Promise<Found | undefined>;
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #sequences: readonly number[];
  readonly #inbox: string;
  readonly #found = new Map<number, NatsRecord | null>();
  readonly #subscription: Subscription;
  readonly #monitor: NodeJS.Timeout;
  #sent = 0;
  #isHeard = true;
  #resolve: (found: Found | undefined) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(link: NatsLink, stream: string, sequences: readonly number[]) {
    const { connection } = link;
    this.#connection = connection;
    this.#inbox = newInbox(link);
    this.#subject = apiSubject(link, `DIRECT.GET.${stream}`);
    this.#sequences = sequences;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => this.#onMessage(error, message),
    });
    this.#monitor = setInterval(() => this.#checkSilence(), SILENCE_MAX_MS);
    this.#monitor.unref();
    this.#send();
  }

  /** Keeps the requests open that may be. */
  #send(): void {
    try {
      while (this.#sent < this.#sequences.length && this.#sent - this.#found.size < OPEN_MAX_REQUESTS) {
        const seq = this.#sequences[this.#sent] as number;
        this.#connection.publish(this.#subject, `{"seq":${seq}}`, { reply: `${this.#inbox}.${this.#sent}` });
        this.#sent++;
      }
    } catch (error) {
      this.fail(unavailable(error));
    }
  }

  /** Must not throw: it runs inside the client's reader. */
  #onMessage(error: Error | null, message: Msg): void {
    this.#isHeard = true;
    if (error !== null) {
      this.fail(unavailable(error));
      return;
    }
    const place = Number(message.subject.slice(this.#inbox.length + 1));
    const sequence = this.#sequences[place];
    if (sequence === undefined) return;
    const record = readRecord(sequence, message);
    // The server adds it to every message. What a publisher wrote into the first line of its headers is no word of it.
    const isMessage = record.header('Nats-Sequence') !== undefined;
    const code = isMessage ? 0 : readStatus(message).code;
    if (code === 503) {
      // Nobody listens to the subject: the stream does not allow it, or is not there.
      this.#end();
      this.#resolve(undefined);
      return;
    }
    if (code !== 0 && code !== 404) {
      this.fail(unavailable(new Error(`the server answered ${code}`)));
      return;
    }
    this.#found.set(sequence, code === 404 ? null : record);
    if (this.#found.size < this.#sequences.length) this.#send();
    else {
      this.#end();
      this.#resolve(this.#found);
    }
  }

  #checkSilence(): void {
    if (!this.#isHeard) this.fail(unavailable(new Error(`no answer for ${SILENCE_MAX_MS} ms`)));
    this.#isHeard = false;
  }

  fail(reason: unknown): void {
    this.#end();
    this.#reject(reason);
  }

  #end(): void {
    clearInterval(this.#monitor);
    if (!this.#connection.isClosed()) this.#subscription.unsubscribe();
  }
}

export function unavailable(cause: unknown): MillraceError {
  return new MillraceError(
    'stream_unavailable',
    'The original events cannot be read from the NATS server just now. Ask again in a moment.',
    { cause, retriable: true },
  );
}
