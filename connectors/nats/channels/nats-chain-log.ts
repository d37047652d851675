import type { JetStreamClient } from '@nats-io/jetstream';
import {
  type Appended,
  type ChainEnd,
  type ChainLog,
  cutStream,
  MillraceError,
} from '../../../engine/index.ts';
import {
  apiSubject,
  describe,
  isChannelFull,
  isWrongLastSequence,
  jetStreamOf,
  type NatsLink,
  noStream,
  refusal,
  untilConnected,
} from '../client/index.ts';

/** How long one request waits for its answer, ms: an election takes longer, and it is asked again. */
const TIMEOUT_MS = 2_000;
const NOT_FOUND = 404;

/** What the server answers; see `JSApiMsgGetResponse` of nats-server. */
interface Answer {
  readonly error?: { readonly code: number; readonly description?: string };
  readonly message?: { readonly seq: number; readonly data?: string };
}

/**
 * The channels of a topology in the streams of its cuts. A block is stored where the last message of its own subject is
 * the one expected. The subject is never named apart from the message's own: servers before 2.11 take no check at all
 * where that header comes first. Everything that is not known is an error that passes (`channel_unavailable`).
 */
export class NatsChainLog implements ChainLog {
  readonly #link: NatsLink;
  readonly #client: JetStreamClient;

  constructor(link: NatsLink) {
    this.#link = link;
    this.#client = jetStreamOf(link);
  }

  async append(subject: string, bytes: Uint8Array, last: number): Promise<Appended> {
    await this.#connected(subject);
    try {
      const { seq } = await this.#client.publish(subject, bytes, {
        expect: { lastSubjectSequence: last },
        timeout: TIMEOUT_MS,
      });
      return { kind: 'stored', sequence: seq };
    } catch (error) {
      if (isWrongLastSequence(error)) return { kind: 'refused' };
      if (isChannelFull(error)) return { kind: 'full' };
      throw (
        refusal(error, subject) ?? noStream(error, subject) ?? unavailable(subject, describe(error), error)
      );
    }
  }

  async last(subject: string): Promise<ChainEnd | undefined> {
    await this.#connected(subject);
    const [, topology = '', cut = ''] = subject.split('.');
    const request = apiSubject(this.#link, `STREAM.MSG.GET.${cutStream(topology, cut)}`);
    let answer: Answer;
    try {
      const reply = await this.#link.connection.request(request, JSON.stringify({ last_by_subj: subject }), {
        timeout: TIMEOUT_MS,
      });
      answer = reply.json<Answer>();
    } catch (error) {
      throw unavailable(subject, describe(error), error);
    }
    const { error, message } = answer;
    if (message !== undefined)
      return { sequence: message.seq, bytes: Buffer.from(message.data ?? '', 'base64') };
    if (error?.code === NOT_FOUND && error.description?.includes('no message found') === true)
      return undefined;
    throw unavailable(subject, error?.description ?? 'the server has not answered with a message');
  }

  async #connected(subject: string): Promise<void> {
    if (await untilConnected(this.#link, TIMEOUT_MS)) return;
    throw unavailable(subject, `there is no connection to ${this.#link.url}`);
  }
}

function unavailable(subject: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'channel_unavailable',
    `What became of a request for the channel "${subject}" is not known: ${why}. It is asked again.`,
    { retriable: true, ...(cause === undefined ? {} : { cause }) },
  );
}
