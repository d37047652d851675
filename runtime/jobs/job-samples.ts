import { Metrics } from '../../engine/index.ts';
import type { JobEntry } from './job-board.ts';
import { RUNNING_MAX_JOBS } from './job-limits.ts';
import { JOB_LANES, JOB_STATUSES } from './job-record.ts';

interface JobFacts {
  readonly queued_max: number;
  entries(): Iterable<JobEntry>;
  takeovers(): number;
  running(): number;
  processes(): number;
  files_bytes(): number;
}

/** Jobs as metrics: of all processes by lane and status, of this process beside it. */
export function jobMetrics(facts: JobFacts): Metrics {
  const metrics = new Metrics();
  for (const lane of JOB_LANES) {
    for (const status of JOB_STATUSES) {
      const count = (): number => {
        let found = 0;
        for (const { record } of facts.entries())
          if (record.lane === lane && record.status === status) found++;
        return found;
      };
      metrics.gauge('millrace.jobs.kept', 'Jobs of all tenants and processes', count, { lane, status });
    }
    const most = RUNNING_MAX_JOBS[lane];
    metrics.gauge(
      'millrace.jobs.running.limit',
      'Jobs of a lane that this process runs at once',
      () => most,
      { lane },
    );
  }
  metrics.gauge(
    'millrace.jobs.queued.limit',
    'Jobs of a lane and tenant that may wait',
    () => facts.queued_max,
  );
  metrics.gauge('millrace.jobs.running', 'Jobs that this process runs', facts.running);
  metrics.gauge('millrace.jobs.processes', 'Processes that run jobs', facts.processes);
  metrics.gauge('millrace.jobs.files.size', 'Files of jobs on this disk', facts.files_bytes);
  const takeovers = 'Jobs that this process took from owners that were gone';
  metrics.observedCounter('millrace.jobs.takeovers', takeovers, facts.takeovers);
  return metrics;
}
