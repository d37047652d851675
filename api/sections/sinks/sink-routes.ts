import { z } from 'zod';
import type { Jobs, KindDefinitions } from '../../../runtime/index.ts';
import { definitionRoutes, requireDefinition } from '../../definitions/index.ts';
import { ApiError, type Cursors, listQuery, pageOf, type Route, route } from '../../http/index.ts';
import { JOB_EXAMPLE, jobLocation, jobSchema, jobView } from '../jobs/index.ts';
import { SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import type { Sink } from './sink-kind.ts';
import type { SinkWatch } from './sink-watch.ts';

interface SinkRouteParts {
  readonly sinks: KindDefinitions<Sink>;
  /** Undefined until the service has begun. */
  readonly watch: () => SinkWatch | undefined;
  readonly jobs: Jobs;
  readonly cursors: Cursors;
}

const EXAMPLE = {
  name: 'Sales to the warehouse',
  source: {
    query: {
      ...{ metrics: ['orders_count', 'revenue_net'], group_by: ['country'] },
      ...{ granularity: '1d', start: '2025-08-01T00:00:00Z' },
    },
  },
  destination: { nats: 'sales.daily' },
  every_minutes: 15,
};
const ANOMALIES = {
  name: 'Anomalies to a subject',
  source: { anomalies: { severity: 'high' } },
  destination: { nats: 'anomalies' },
};

const params = z.object({ id: z.string().max(128) });

/** Sinks: what is told to other systems, again and again. */
export function sinkRoutes({ sinks, watch, jobs, cursors }: SinkRouteParts): readonly Route[] {
  return [
    route({
      id: 'runSink',
      method: 'POST',
      path: '/sinks/{id}/run',
      tag: 'Sinks',
      summary: 'Tell now what has changed since the last run of a sink',
      permission: 'exports:create',
      params,
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [
        ...SAVED_RUN_PROBLEMS,
        'not_found',
        'wrong_state',
        'too_many_jobs',
        'state_not_ready',
        'kv_unavailable',
      ],
      handle: async (call) => {
        const sink = requireDefinition(sinks, call, call.params.id);
        const running = watch();
        const record = await running?.run(call.tenant, sink, running.now_ms, true);
        if (record === undefined)
          throw new ApiError(
            'wrong_state',
            'A sink of anomalies has no runs: they are told as they are found.',
          );
        return {
          status: 202,
          json: jobView(record),
          headers: { Location: jobLocation(call.base, record.job_id) },
        };
      },
    }),
    route({
      id: 'listSinkRuns',
      method: 'GET',
      path: '/sinks/{id}/runs',
      tag: 'Sinks',
      summary: 'The runs of a sink of the last 30 days, newest first',
      permission: 'jobs:read',
      params,
      query: z.strictObject(listQuery),
      answers: {
        200: {
          description: 'A page of jobs',
          schema: z.object({ runs: z.array(jobSchema), next_cursor: z.string().nullable() }),
        },
      },
      problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'kv_unavailable'],
      handle: (call) => {
        const { id } = requireDefinition(sinks, call, call.params.id);
        const runs = jobs.list(call.tenant).filter(({ report }) => report?.id === id);
        const filter = { list: 'sink_runs', tenant: call.tenant, id };
        const sortKey = (job: (typeof runs)[number]): readonly [number, string] => [
          -job.created_at_ms,
          job.job_id,
        ];
        const { items, next_cursor } = pageOf(cursors, runs, sortKey, filter, call.query);
        return { status: 200, json: { runs: items.map(jobView), next_cursor } };
      },
    }),
    ...definitionRoutes(sinks, cursors, {
      ...{ path: '/sinks', noun: 'sink', tag: 'Sinks' },
      description:
        'Results and anomalies to other systems: a NATS subject, a Kafka topic, a folder of Parquet files. Of a query ' +
        'the rows are told that changed since the last run, restated buckets among them, each with `as_of`: of rows of ' +
        'one key the one with the largest counts. Everything is told at least once, under an id that is the same in ' +
        'every repeat.',
      examples: {
        query: { summary: 'What changed of an answer', value: EXAMPLE },
        anomalies: { summary: 'Anomalies as they are found', value: ANOMALIES },
      },
      permissions: { write: 'exports:create' },
      problems: ['channel_not_configured', ...SAVED_RUN_PROBLEMS],
    }),
  ];
}
