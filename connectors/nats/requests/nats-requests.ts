import { type Msg, headers as natsHeaders, type Subscription } from 'nats';
import { asMillraceError, MillraceError } from '../../../engine/index.ts';
import { describe, isUnanswered, type NatsLink } from '../client/index.ts';

/** In the answer of a handler that threw: the code of the error, and its sentence as the payload. */
const ERROR_HEADER = 'Millrace-Error';

export interface ServeOptions {
  /** Of those who serve a subject with one queue's name each request goes to one. */
  readonly queue?: string;
  /** Requests that are being answered at once; more are refused with `asked_too_much`, which the asker may repeat. */
  readonly in_flight_max: number;
}

export interface Served {
  readonly answered: number;
  readonly refused: number;
  stop(): void;
}

/** Request and reply over NATS, without a stream: an answer is had now or not at all. */
export class NatsRequests {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  /** Answers requests with what `handle` gives; with the error that it throws. */
  serve(
    subject: string,
    handle: (payload: Uint8Array) => Promise<Uint8Array>,
    { queue, in_flight_max }: ServeOptions,
  ): Served {
    const counts = { answered: 0, refused: 0, inFlight: 0 };
    const answer = async (message: Msg): Promise<void> => {
      if (counts.inFlight >= in_flight_max) {
        counts.refused++;
        const text = `This process answers ${in_flight_max} requests at once. Ask again.`;
        respond(message, new MillraceError('asked_too_much', text));
        return;
      }
      counts.inFlight++;
      try {
        this.#reply(message, await handle(message.data));
        counts.answered++;
      } catch (error) {
        respond(message, asMillraceError(error));
      } finally {
        counts.inFlight--;
      }
    };
    const subscription: Subscription = this.#link.connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        // A subscription that the server refuses is told by the connection's own events.
        if (error === null) answer(message).catch(() => undefined);
      },
    });
    return {
      get answered() {
        return counts.answered;
      },
      get refused() {
        return counts.refused;
      },
      stop: () => subscription.unsubscribe(),
    };
  }

  #reply(message: Msg, payload: Uint8Array): void {
    const { max_payload = Number.POSITIVE_INFINITY } = this.#link.connection.info ?? {};
    if (payload.length <= max_payload) {
      message.respond(payload);
      return;
    }
    throw new MillraceError(
      'answer_too_large',
      `The answer has ${payload.length} bytes; the server takes ${max_payload}. Ask for fewer rows (limit).`,
    );
  }

  /**
   * Throws `no_responder` at once where nobody serves the subject, `no_reply` after `timeout_ms`, `asking_stopped` where
   * `signal` is aborted, and the error that the handler threw, by its code.
   */
  async request(
    subject: string,
    payload: Uint8Array,
    timeout_ms: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    let reply: Msg;
    try {
      reply = await this.#send(subject, payload, timeout_ms, signal);
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw new MillraceError(
        isUnanswered(error) ? 'no_responder' : 'no_reply',
        isUnanswered(error)
          ? `Nobody answers on "${subject}".`
          : `No answer on "${subject}" within ${timeout_ms} ms (${describe(error)}).`,
        { cause: error, retriable: true },
      );
    }
    const code = reply.headers?.get(ERROR_HEADER) ?? '';
    if (code === '') return reply.data;
    const retriable = code === 'asked_too_much';
    throw new MillraceError(code, Buffer.from(reply.data).toString('utf8'), { retriable });
  }

  async #send(
    subject: string,
    payload: Uint8Array,
    timeout_ms: number,
    signal: AbortSignal | undefined,
  ): Promise<Msg> {
    // What is sent while there is no connection waits in the client, and would be answered too late.
    if (!this.#link.connected) {
      throw new MillraceError('no_responder', 'The connection to NATS is lost.', { retriable: true });
    }
    const request = this.#link.connection.request(subject, payload, { timeout: timeout_ms });
    if (signal === undefined) return await request;
    let stop: (() => void) | undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(new MillraceError('asking_stopped', 'The answer is not wanted any more.'));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([request, stopped]);
    } finally {
      if (stop !== undefined) signal.removeEventListener('abort', stop);
      // The client keeps the request until its time is over, and says so to nobody.
      request.catch(() => undefined);
    }
  }
}

function respond(message: Msg, { code, message: text }: MillraceError): void {
  if (message.reply === undefined || message.reply === '') return;
  const set = natsHeaders();
  set.set(ERROR_HEADER, code);
  message.respond(Buffer.from(text), { headers: set });
}
