import { z } from 'zod';
import { isTimeZone } from '../../../analytics/index.ts';
import {
  type ConnectorBody,
  type DefinitionKind,
  type FileSenders,
  invalidMember,
  type KindDefinitions,
  requireDestination,
} from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import type { QueryFamilies } from '../queries/index.ts';
import { isSchedule, requireSeam, SEAM_END } from '../reports/index.ts';

const MAX_SINKS = 20;
const S3_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[^?#]*)?$/;
/** A state that changes all the time is told of so often, minutes. */
const CHANGE_MIN_MINUTES = 5;

const source = z.union([
  z.strictObject({
    query: z
      .looseObject({})
      .describe('A KPI query with a `start` and without an `end`: what changed of its answer is told'),
  }),
  z.strictObject({
    anomalies: z.strictObject({
      metric: z.string().max(128).optional().describe('Of this metric only'),
      severity: z.string().max(32).optional().describe('Of this severity only'),
    }),
  }),
]);

const destination = z.union([
  z.strictObject({
    nats: z
      .string()
      .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,7}$/, 'must be tokens of letters, digits, _ and -')
      .max(200)
      .describe('The end of the subject `sinks.<tenant>.…`, in the stream SINKS'),
  }),
  z.strictObject({
    kafka: z.strictObject({
      connector_id: z.string().max(128).describe('A Kafka connector: its brokers and credentials'),
      topic: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be the name of a topic'),
    }),
  }),
  z.strictObject({
    s3: z
      .string()
      .max(1_024)
      .regex(S3_URL, 'must be s3://bucket or s3://bucket/prefix')
      .describe('A folder of Parquet files'),
  }),
]);

export const sinkSchema = z.strictObject({
  source,
  destination,
  schedule: z
    .string()
    .max(128)
    .refine(isSchedule, 'must be a cron expression of five fields that comes to pass, such as "0 * * * *"')
    .optional()
    .describe('When the answer is looked at; default: on change'),
  timezone: z.string().max(64).refine(isTimeZone, 'must be an IANA time zone').default('UTC'),
  every_minutes: z
    .int()
    .min(CHANGE_MIN_MINUTES)
    .max(1_440)
    .default(15)
    .describe('Without a schedule: how often it is looked whether something has changed'),
  enabled: z.boolean().default(true),
});
export type Sink = z.output<typeof sinkSchema>;

export interface SinkKindParts {
  readonly ports: Pick<ApiPorts, 'sinks'>;
  readonly senders: FileSenders;
  readonly families: QueryFamilies;
  readonly connectors: Pick<KindDefinitions<ConnectorBody>, 'get'>;
}

/** What is told to other systems: changes of an answer, or anomalies. */
export function sinkKind({ ports, senders, families, connectors }: SinkKindParts): DefinitionKind<Sink> {
  return {
    kind: 'sink',
    schema: sinkSchema,
    limit: MAX_SINKS,
    check: ({ tenant, body }) => {
      const { source: of, destination: to, schedule } = body;
      if ('query' in of) {
        requireSeam(of);
        const query = { ...of.query, end: SEAM_END };
        families.check(tenant, { type: 'kpis', query, anchor: 'now' });
      } else if ('s3' in to) {
        throw invalidMember('destination.s3', 'is for queries: anomalies go to NATS or Kafka');
      } else if (schedule !== undefined) {
        throw invalidMember('schedule', 'is for queries: anomalies are told as they are found');
      }
      if ('s3' in to) requireDestination(senders, to);
      else if (ports.sinks === undefined) throw invalidMember('destination', 'is not served by this process');
      if (!('kafka' in to)) return;
      if (connectors.get(tenant, to.kafka.connector_id)?.body.type !== 'kafka')
        throw invalidMember('destination.kafka.connector_id', 'names no Kafka connector');
    },
  };
}
