import { z } from 'zod';

const SECRET_MAX_CHARS = 8_192;

export const kinesisConfig = z.strictObject({
  stream: z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be the name of a stream'),
  region: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be a region, such as eu-central-1'),
  access_key_id: z.string().min(1).max(128),
  secret_access_key: z.string().min(1).max(SECRET_MAX_CHARS),
  endpoint: z.url().max(1_024).optional().describe('Of a compatible server; default: AWS'),
  start: z.enum(['earliest', 'latest']).default('earliest').describe('Where the first run begins'),
  poll_ms: z
    .int()
    .min(200)
    .max(60_000)
    .default(1_000)
    .describe(
      'How often a shard is asked that has nothing new; Kinesis takes five requests a second of all readers',
    ),
  on_gap: z
    .enum(['stop', 'skip'])
    .default('stop')
    .describe('Records that may have expired before they were read, or a stream that was made again'),
});
export type KinesisConfig = z.output<typeof kinesisConfig>;

const shardPosition = z.strictObject({
  /** Sequence number of the last record that was read. */
  after: z.string().exactOptional(),
  /** Where it begins before one was read, ms; without both: at its oldest record. */
  from_ms: z.number().exactOptional(),
  /** Read to its end: it was split or merged. */
  done: z.literal(true).exactOptional(),
  /** Arrival time up to which it is read, ms. */
  read_until_ms: z.number().exactOptional(),
});
export type ShardPosition = z.output<typeof shardPosition>;

/** What a connector's position is. */
export const kinesisPosition = z.strictObject({
  /** When the stream was made, ms: another one of the name has other records. */
  created_ms: z.number(),
  shards: z.record(z.string(), shardPosition),
});
export type KinesisPosition = z.output<typeof kinesisPosition>;
