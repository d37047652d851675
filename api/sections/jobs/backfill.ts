import { z } from 'zod';
import { kpiQuerySchema, parseRange, ROW_DIMENSIONS } from '../../../analytics/index.ts';
import type { JobKind, JobRecord } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type BackfillPort, type Route, route } from '../../http/index.ts';
import { createJob, type JobMaking } from './create-job.ts';
import { JOB_EXAMPLE, jobSchema } from './job-view.ts';

const BACKFILL_JOB = 'backfill';

const body = z.strictObject({
  start: z.string().max(64).optional().describe('From when the numbers are in doubt, RFC 3339'),
  end: z.string().max(64).optional().describe('Until when, exclusive'),
  metrics: kpiQuerySchema.shape.metrics.optional().describe('Which of them'),
  dimensions: z.array(z.enum(ROW_DIMENSIONS)).max(ROW_DIMENSIONS.length).optional(),
  reason: z.string().min(1).max(500).optional().describe('Why, for those who read the job'),
});
type BackfillInput = z.output<typeof body>;

/** Of this job alone: another one of the same words is another build. */
const reasonOf = ({ job_id, input }: Pick<JobRecord, 'job_id' | 'input'>): string =>
  [`job ${job_id}`, (input as BackfillInput).reason ?? ''].filter((part) => part !== '').join(': ');

/** Builds the whole state anew: what the range names is part of it, and nothing else may differ then. */
export function backfillKind(port: BackfillPort): JobKind {
  return {
    type: BACKFILL_JOB,
    lane: 'backfill',
    // What a stop, a pause or a crash has interrupted stays until the job is over.
    dispose: (record) => port.discard(reasonOf(record)),
    run: async ({ record, signal, advance }) => {
      const { generation } = await port.build({
        reason: reasonOf(record),
        signal,
        onProgress: (done, total) => advance({ done, total, unit: 'messages' }),
      });
      return { result: { generation } };
    },
  };
}

/** Section 11: aggregates anew, from the events. `port` is undefined where this process cannot. */
export function backfillRoutes(making: JobMaking, port: BackfillPort | undefined): readonly Route[] {
  return [
    route({
      id: 'createBackfill',
      method: 'POST',
      path: '/jobs/backfill',
      tag: 'Jobs',
      summary: 'Compute the aggregates anew from the events',
      description:
        'Builds the next generation of the state beside the live one, from the stream, and makes it current when it ' +
        'has caught up; answers go on meanwhile. The state is one: all metrics and dimensions of all time are built, ' +
        'whatever the range names. A build that a restart or a pause interrupts goes on.',
      permission: 'backfills:create',
      reach: 'installation',
      body,
      body_examples: { august: { summary: 'A month', value: EXAMPLE } },
      idempotent: true,
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [...BODY_PROBLEMS, 'invalid_range', 'not_supported', 'too_many_jobs', 'kv_unavailable'],
      handle: (call) => {
        const { start, end } = call.body;
        if (start !== undefined || end !== undefined) parseRange(start ?? '', end ?? '');
        if (port === undefined) {
          throw new ApiError(
            'not_supported',
            'This process cannot build its state anew. Use `npx millrace replay`.',
          );
        }
        return createJob(making, call, { type: BACKFILL_JOB, input: call.body });
      },
    }),
  ];
}

const EXAMPLE = {
  start: '2025-08-01T00:00:00Z',
  end: '2025-09-01T00:00:00Z',
  reason: 'rates were corrected',
};
