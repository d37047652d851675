import { z } from 'zod';
import type { ArchiveSettings } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type ApiPorts, type Route, route, timeText } from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import { ARCHIVE_JOB, type ArchiveInput, requireNoArchiving } from './archive-job.ts';

interface ArchiveRouteParts {
  readonly making: JobMaking;
  /** undefined: this process cannot. */
  readonly port: ApiPorts['archive'];
  readonly settings: Pick<ArchiveSettings, 'after_ms'>;
  readonly now: () => number;
}

const OFFSET = /T.*(Z|[+-]\d{2}:\d{2})$/i;

const bodySchema = z.strictObject({
  before: z
    .string()
    .max(64)
    .refine((text) => OFFSET.test(text) && !Number.isNaN(Date.parse(text)), 'must be RFC 3339 with an offset')
    .optional()
    .describe('Events that the stream stored before this time; default: as long ago as `ARCHIVE_AFTER` says'),
  trim: z
    .boolean()
    .default(true)
    .describe('What is archived and committed leaves the stream; false: it stays there too'),
  dry_run: z.boolean().default(false).describe('Says what is archived, and does nothing'),
});

const planSchema = z.object({
  dry_run: z.literal(true),
  before: z.string(),
  archive: z
    .object({ url: z.string(), from: z.int(), to: z.int() })
    .nullable()
    .describe('Where it lies, and the sequences that are in it; null: nothing is archived yet'),
});

/** Events that are old go to files, and from the stream. */
export function archiveRoutes({ making, port, settings, now }: ArchiveRouteParts): readonly Route[] {
  return [
    route({
      id: 'createArchiving',
      method: 'POST',
      path: '/jobs/archive',
      tag: 'Jobs',
      summary: 'Archive events that are old',
      description:
        'Writes the messages of the stream that were stored before a time to Parquet files by tenant and day of the ' +
        'event, of all tenants, and removes from the stream what is archived and committed by the live state. Payloads, ' +
        'replays and rebuilds read them back from the files. `result` says how many messages, rows and files were ' +
        'written, up to which sequence, and why the stream was not trimmed as far (`held_back`). An interrupted one ' +
        'goes on; `ARCHIVE_AFTER` and `ARCHIVE_SCHEDULE` make one by themselves.',
      permission: 'backfills:create',
      reach: 'installation',
      body: bodySchema,
      body_examples: {
        year: { summary: 'What is older than a year', value: { before: '2024-08-01T00:00:00Z' } },
        plan: { summary: 'What is archived now', value: { before: '2024-08-01T00:00:00Z', dry_run: true } },
      },
      idempotent: true,
      answers: {
        200: { description: 'What is archived, for `dry_run`', schema: planSchema },
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [...BODY_PROBLEMS, 'backfill_running', 'not_supported', 'too_many_jobs', 'kv_unavailable'],
      handle: async (call) => {
        if (port === undefined)
          throw new ApiError('not_supported', 'This process has no stream that it could archive.');
        const { before, trim, dry_run } = call.body;
        const before_ms = before === undefined ? dueTime(settings, now()) : Date.parse(before);
        if (dry_run)
          return {
            status: 200,
            json: { dry_run: true, before: timeText(before_ms), archive: await port.status() },
          };
        const input: ArchiveInput = { before_ms, isTrimmed: trim };
        return await createJob(making, call, { type: ARCHIVE_JOB, input }, () =>
          requireNoArchiving(making.jobs),
        );
      },
    }),
  ];
}

function dueTime({ after_ms }: Pick<ArchiveSettings, 'after_ms'>, now_ms: number): number {
  if (after_ms !== undefined) return now_ms - after_ms;
  const message = 'is required where ARCHIVE_AFTER is not set';
  throw new ApiError('validation_failed', `\`before\` ${message}.`, {
    errors: [{ path: 'before', message }],
  });
}
