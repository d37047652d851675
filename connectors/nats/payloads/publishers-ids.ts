import { type NatsLink, openManager, streamFacts } from '../client/index.ts';
import { StreamPayloads } from './stream-payloads.ts';

const LOOK_MS = 10_000;
const NANOS_PER_MS = 1e6;
/** As what the service publishes has them: made with a secret. */
const SECRET_ID = /^[0-9a-f]{64}$/;

export interface PublishersIds {
  /** For how long the stream knows an id, whoever sent it. */
  readonly window_ms: number;
  /** Messages with an id that a publisher gave them. */
  readonly messages: number;
  /** Of whom they are: the second tokens of their subjects. */
  readonly tenants: readonly string[];
}

/**
 * Which of the newest messages have ids that publishers made: others could use such an id first, and what comes second is
 * not stored. Throws `stream_missing`, and what `read` throws.
 */
export async function publishersIds(
  link: NatsLink,
  stream: string,
  look_max_messages: number,
): Promise<PublishersIds> {
  const manager = await openManager(link);
  const { firstSequence, lastSequence } = await streamFacts(manager, stream);
  const { config } = await manager.streams.info(stream);
  const first = Math.max(firstSequence, lastSequence - look_max_messages + 1);
  const tenants = new Set<string>();
  let messages = 0;
  // It takes whatever publishers have written into their headers.
  const stored = new StreamPayloads({ link, stream, subjectOf: (tenant) => `events.${tenant}.>` });
  if (first <= lastSequence) {
    const signal = AbortSignal.timeout(LOOK_MS);
    for await (const message of stored.read(first, lastSequence, undefined, signal)) {
      const id = message.header('Nats-Msg-Id') ?? '';
      if (id === '' || SECRET_ID.test(id)) continue;
      messages++;
      tenants.add(message.subject.split('.')[1] ?? '');
    }
  }
  return {
    window_ms: Number(config.duplicate_window) / NANOS_PER_MS,
    messages,
    tenants: [...tenants].sort(),
  };
}
