import type { MetricSample } from '../../engine/index.ts';
import type { JobEntry } from './job-board.ts';
import { RUNNING_MAX_JOBS } from './job-limits.ts';
import { JOB_LANES, JOB_STATUSES } from './job-record.ts';

interface JobFacts {
  readonly queued_max: number;
  readonly takeovers: number;
  readonly running: number;
  readonly processes: number;
  readonly files_bytes: number;
}

/** Jobs as metrics: of all processes by lane and status, of this process beside it. */
export function jobSamples(entries: readonly JobEntry[], facts: JobFacts): MetricSample[] {
  const gauge = (
    name: string,
    help: string,
    value: number,
    labels: MetricSample['labels'] = {},
  ): MetricSample => ({ name: `millrace.jobs.${name}`, kind: 'gauge', help, labels, value });
  const counts = new Map<string, number>();
  for (const { record } of entries) {
    const key = `${record.lane} ${record.status}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const count = (lane: string, status: string): number => counts.get(`${lane} ${status}`) ?? 0;
  return [
    ...JOB_LANES.flatMap((lane) =>
      JOB_STATUSES.map((status) =>
        gauge('jobs', 'Jobs of all tenants that are kept, by lane and status', count(lane, status), {
          lane,
          status,
        }),
      ),
    ),
    ...JOB_LANES.map((lane) =>
      gauge('running_max', 'Jobs of a lane that this process runs at once', RUNNING_MAX_JOBS[lane], { lane }),
    ),
    gauge('queued_max', 'Jobs of one lane and tenant that may wait', facts.queued_max),
    gauge('running', 'Jobs that this process runs', facts.running),
    gauge('processes', 'Processes that run jobs', facts.processes),
    gauge('files_bytes', 'Files of jobs on this disk', facts.files_bytes),
    {
      name: 'millrace.jobs.takeovers',
      kind: 'counter',
      help: 'Jobs that this process took from owners that were gone',
      labels: {},
      value: facts.takeovers,
    },
  ];
}
