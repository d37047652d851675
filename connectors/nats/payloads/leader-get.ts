import { apiSubject, type NatsLink } from '../client/index.ts';
import { NatsRecord } from '../source/index.ts';

const TIMEOUT_MS = 5_000;
const NOT_FOUND = 404;

/** What the server answers; see `JSApiMsgGetResponse` of nats-server. */
interface Answer {
  readonly error?: { readonly code: number; readonly description?: string };
  readonly message?: {
    readonly subject: string;
    readonly data?: string;
    readonly hdrs?: string;
  };
}

/**
 * One message, from the leader of the stream; null where it has none. The client's own request reads the headers as
 * they should be, and throws where a publisher wrote others. Rejects when the server does not answer.
 */
export async function getOfLeader(
  link: NatsLink,
  stream: string,
  sequence: number,
): Promise<NatsRecord | null> {
  const { connection } = link;
  const subject = apiSubject(link, `STREAM.MSG.GET.${stream}`);
  const reply = await connection.request(subject, JSON.stringify({ seq: sequence }), { timeout: TIMEOUT_MS });
  const { error, message } = reply.json<Answer>();
  if (error?.code === NOT_FOUND) return null;
  if (message === undefined)
    throw new Error(error?.description ?? 'the server has not answered with a message');
  const block = Buffer.from(message.hdrs ?? '', 'base64').toString('utf8');
  return new NatsRecord(sequence, message.subject, Buffer.from(message.data ?? '', 'base64'), block);
}
