import type { Jobs, KindDefinitions } from '../../../runtime/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import { ApiError, type Cursors, type Route } from '../../http/index.ts';
import { SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { runRoutes } from '../reports/index.ts';
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

/** Sinks: what is told to other systems, again and again. */
export function sinkRoutes({ sinks, watch, jobs, cursors }: SinkRouteParts): readonly Route[] {
  return [
    ...runRoutes(
      sinks,
      { jobs, cursors },
      {
        ...{ path: '/sinks', tag: 'Sinks' },
        run: {
          id: 'runSink',
          summary: 'Tell now what has changed since the last run of a sink',
          problems: [...SAVED_RUN_PROBLEMS, 'wrong_state', 'state_not_ready'],
          make: async (tenant, sink) => {
            const running = watch();
            const record = await running?.run(tenant, sink, running.now_ms, true);
            if (record !== undefined) return record;
            const why = 'A sink of anomalies has no runs: they are told as they are found.';
            throw new ApiError('wrong_state', why);
          },
        },
        list: { id: 'listSinkRuns', summary: 'The runs of a sink of the last 30 days, newest first' },
      },
    ),
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
