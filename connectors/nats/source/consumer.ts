import { randomBytes } from 'node:crypto';
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
  ReplayPolicy,
} from '@nats-io/jetstream';
import { nanos } from 'nats';
import { isInactiveTooLong } from '../client/index.ts';

/** The server removes a consumer that was not used for so long, ms: what a crash leaves behind. */
const CONSUMER_IDLE_MS = 300_000;

export interface ConsumerSpec {
  readonly name: string;
  readonly partition: string;
  /** Sequence of the first message wanted. */
  readonly first: number;
  /** Of the messages wanted; undefined: of all. */
  readonly filter_subject: string | undefined;
}

/** A short one: it is in every delivery's reply subject, whose bytes the client looks at one by one. */
export const newConsumerName = (): string => `m${randomBytes(6).toString('base64url')}`;

/**
 * A pull consumer that keeps nothing: the position is the task's, so it needs no acknowledgements and no
 * disk. Returns how many messages it has to deliver. May be repeated with the same arguments. Where the stream has a
 * shorter limit of its own for unused consumers, that one holds.
 */
export async function createConsumer(
  manager: JetStreamManager,
  stream: string,
  spec: ConsumerSpec,
): Promise<number> {
  const config: Partial<ConsumerConfig> = {
    name: spec.name,
    description: `Millrace source of partition ${spec.partition}`,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: spec.first,
    replay_policy: ReplayPolicy.Instant,
    mem_storage: true,
    num_replicas: 1,
    ...(spec.filter_subject === undefined ? {} : { filter_subject: spec.filter_subject }),
  };
  try {
    const inactive_threshold = nanos(CONSUMER_IDLE_MS);
    return (await manager.consumers.add(stream, { ...config, inactive_threshold })).num_pending;
  } catch (error) {
    if (!isInactiveTooLong(error)) throw error;
    return (await manager.consumers.add(stream, config)).num_pending;
  }
}
