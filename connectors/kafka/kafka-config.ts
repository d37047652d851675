import { z } from 'zod';

const BROKER = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):\d{1,5}$/;
const MAX_BROKERS = 20;
const MAX_TOPICS = 50;
/** A secret that is encrypted is longer than what was given. */
const SECRET_MAX_CHARS = 8_192;

export const kafkaConfig = z.strictObject({
  brokers: z
    .array(z.string().regex(BROKER, 'must be host:port'))
    .min(1)
    .max(MAX_BROKERS)
    .describe('Where the cluster is asked for first, as `host:port`'),
  topics: z
    .array(z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be the name of a topic'))
    .min(1)
    .max(MAX_TOPICS),
  group_id: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe(
      'The consumer group whose offsets are committed, for tools that show lag; default: one of its own. Nobody else may be in it',
    ),
  client_id: z.string().min(1).max(255).default('millrace'),
  start: z
    .enum(['earliest', 'latest'])
    .default('earliest')
    .describe('Where the first run begins; partitions that are added later are read from their beginning'),
  on_gap: z
    .enum(['stop', 'skip'])
    .default('stop')
    .describe('Records that the topic has removed before they were read, or a topic that was made again'),
  tls: z.boolean().default(false),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: z.string().min(1).max(255),
      password: z.string().min(1).max(SECRET_MAX_CHARS),
    })
    .optional(),
});
export type KafkaConfig = z.output<typeof kafkaConfig>;

/** Offset of the next record, by topic and partition: what a connector's position is. */
export type KafkaPosition = Readonly<Record<string, Readonly<Record<string, string>>>>;

export const kafkaPosition: z.ZodType<KafkaPosition> = z.record(
  z.string(),
  z.record(z.string(), z.string().regex(/^\d+$/)),
);
