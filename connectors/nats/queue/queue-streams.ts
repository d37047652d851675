import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { nanos } from 'nats';
import {
  createStream,
  type NatsLink,
  openManager,
  placed,
  placementOf,
  smallerText,
} from '../client/index.ts';

/** A stream that only Millrace writes, as a queue. It forgets the oldest beyond each of its limits. */
export interface QueueStream {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly max_age_ms: number;
  readonly max_bytes: number;
  /** So that no subject takes the room of the others; undefined: the stream's limits are the only ones. */
  readonly subject_max_messages?: number;
  /** The server refuses to delete and to purge messages of it, whoever asks. */
  readonly isAppendOnly?: true;
}

const DAY_MS = 86_400_000;
const DUPLICATE_WINDOW_MS = 120_000;

/** What is to be told to somebody outside, until it was. */
export const NOTICES_STREAM: QueueStream = {
  name: 'NOTICES',
  subjects: ['notices.>'],
  max_age_ms: 7 * DAY_MS,
  max_bytes: 2 * 1024 ** 3,
  subject_max_messages: 100_000,
};

/** What became of each try to tell it. */
export const DELIVERIES_STREAM: QueueStream = {
  name: 'DELIVERIES',
  subjects: ['deliveries.>'],
  max_age_ms: 30 * DAY_MS,
  max_bytes: 1024 ** 3,
  subject_max_messages: 1_000,
};

/** Who read, exported, changed or erased what. */
export const AUDIT_STREAM: QueueStream = {
  name: 'AUDIT',
  subjects: ['audit.>'],
  max_age_ms: 400 * DAY_MS,
  max_bytes: 2 * 1024 ** 3,
  isAppendOnly: true,
};

/** What sinks tell, as `sinks.<tenant>.<what the sink names>`. */
export const SINKS_STREAM: QueueStream = {
  name: 'SINKS',
  subjects: ['sinks.>'],
  max_age_ms: 7 * DAY_MS,
  max_bytes: 1024 ** 3,
};

/**
 * Makes the stream where it is not there, smaller where the server has no room for it, and leaves it as it is where it
 * is. Returns a sentence where it keeps less than it should.
 */
export async function ensureQueueStream(link: NatsLink, stream: QueueStream): Promise<string | undefined> {
  const { replicas = 1, ...placement } = placed(link, { replicas: 1 });
  const config: Partial<StreamConfig> & { readonly name: string } = {
    name: stream.name,
    subjects: [...stream.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(stream.max_age_ms),
    max_bytes: stream.max_bytes,
    max_msgs_per_subject: stream.subject_max_messages ?? -1,
    deny_delete: stream.isAppendOnly === true,
    deny_purge: stream.isAppendOnly === true,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    num_replicas: replicas,
    ...placementOf(placement),
    allow_direct: true,
  };
  const manager = await openManager(link);
  await createStream(manager, config);
  return smallerText((await manager.streams.info(stream.name)).config, stream.max_bytes);
}
