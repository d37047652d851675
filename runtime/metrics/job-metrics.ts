import { counter, gauge, type MetricGroup } from './metric-spec.ts';

export const JOB_METRICS: readonly MetricGroup[] = [
  {
    title: 'Models',
    about: 'Of `start`.',
    metrics: [
      gauge(
        'millrace.models.drifting',
        '{model}',
        'Promoted forecasts whose recent errors are beyond 1.5 times those of their back-test',
      ),
    ],
  },
  {
    title: 'Segments',
    about: 'Of `start`.',
    metrics: [
      counter(
        'millrace.segment_sets.lookups',
        '{segment}',
        'Segments of queries whose customers were looked up, by whether they were kept',
        'result',
      ),
      gauge('millrace.segment_sets.size', 'By', 'Sets of customers that are kept'),
      gauge('millrace.segment_sets.size.limit', 'By', 'They take at most so much'),
    ],
  },
  {
    title: 'Saved queries',
    about: 'Of `start`.',
    metrics: [
      counter(
        'millrace.answer_cache.lookups',
        '{query}',
        'Runs of saved queries, by whether their answer was kept',
        'result',
      ),
      gauge('millrace.answer_cache.size', 'By', 'Answers that are kept'),
      gauge('millrace.answer_cache.size.limit', 'By', 'They take at most so much'),
    ],
  },
  {
    title: 'Jobs',
    about: 'Of `start`.',
    metrics: [
      gauge('millrace.jobs.kept', '{job}', 'Jobs of all tenants and processes', 'lane', 'status'),
      gauge('millrace.jobs.running', '{job}', 'Jobs that this process runs'),
      gauge('millrace.jobs.running.limit', '{job}', 'Jobs of a lane that this process runs at once', 'lane'),
      gauge('millrace.jobs.queued.limit', '{job}', 'Jobs of a lane and tenant that may wait'),
      gauge('millrace.jobs.processes', '{process}', 'Processes that run jobs'),
      gauge('millrace.jobs.files.size', 'By', 'Files of jobs on this disk'),
      counter('millrace.jobs.takeovers', '{job}', 'Jobs that this process took from owners that were gone'),
      gauge('millrace.http.event_streams', '{stream}', 'Event streams that are open'),
      gauge('millrace.http.event_streams.limit', '{stream}', 'Event streams that may be open at once'),
      counter(
        'millrace.http.event_streams.dropped',
        '{stream}',
        'Event streams that were closed because their client took nothing',
      ),
    ],
  },
];
