import { z } from 'zod';
import type { LogUpkeepMode } from '../../../engine/index.ts';
import type { Jobs } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type Route, route } from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import type { UpkeepInput, UpkeepParts } from './upkeep-job.ts';
import { lookAt, spaceOf } from './upkeep-look.ts';
import { planOf, planSchema } from './upkeep-report.ts';

const TENANTS_MAX = 1_000;

interface UpkeepRouteParts extends UpkeepParts {
  readonly making: JobMaking;
}

const common = {
  tenants: z
    .array(z.string().min(1).max(128))
    .min(1)
    .max(TENANTS_MAX)
    .optional()
    .describe('Of these alone; default: of all'),
  dry_run: z.boolean().default(false).describe('Says what would be done, and does nothing'),
};

const retentionBody = z.strictObject(common);

const compactionBody = z.strictObject({
  ...common,
  min_free_share: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      'Where at least this share of the file is free, it is written anew without its free pages, and what they held is ' +
        'gone with the former file; 0: in any case. Absent: they stay, and are used again',
    ),
});

const drySchema = z.object({ dry_run: z.literal(true), plan: planSchema });

/** Section 11: what is behind a cut, and many small segments, now instead of as they come up. */
export function upkeepRoutes(parts: UpkeepRouteParts): readonly Route[] {
  const common = {
    method: 'POST' as const,
    tag: 'Jobs',
    permission: 'backfills:create' as const,
    reach: 'installation' as const,
    idempotent: true,
    answers: {
      200: { description: 'The plan, for `dry_run`', schema: drySchema },
      202: {
        description: 'The job',
        schema: jobSchema,
        headers: { Location: 'The job' },
        example: JOB_EXAMPLE,
      },
    },
    problems: [
      ...BODY_PROBLEMS,
      'backfill_running' as const,
      'not_supported' as const,
      'state_not_ready' as const,
      'too_many_jobs' as const,
      'kv_unavailable' as const,
    ],
  };
  return [
    route({
      ...common,
      id: 'createRetention',
      path: '/jobs/retention',
      summary: 'Remove what is behind the cuts of retention',
      description:
        'A cut is made by the commit that reaches it, and from then on no answer shows what is before it. Segments that ' +
        'lie wholly before it go at once; others keep those rows in the store until half of them are gone, or they ' +
        'are merged. This writes them anew now, as a job of the pipeline, and reports by tenant what went, what is ' +
        'kept and why. `RETENTION_SCHEDULE` makes one by itself.',
      body: retentionBody,
      body_examples: { plan: { summary: 'What would go', value: { dry_run: true } } },
      handle: (call) => create(parts, 'retention', call, call.body),
    }),
    route({
      ...common,
      id: 'createCompaction',
      path: '/jobs/compaction',
      summary: 'Merge segments, and give back free pages',
      description:
        'Segments of the event log are merged as they come in, so that there are never many of a size. This merges the ' +
        'small ones of each tenant now, for scans that read fewer of them, as a job of the pipeline. With ' +
        '`min_free_share` a copy of the state without its free pages takes its place while events come in, as a ' +
        'generation does: bytes of what was deleted, such as dead letters of people who were erased, are gone with the ' +
        'former file. `COMPACTION_SCHEDULE` and `COMPACTION_MIN_FREE_SHARE` make one by itself.',
      body: compactionBody,
      body_examples: {
        pages: { summary: 'And give back free pages', value: { min_free_share: 0.3 } },
        plan: { summary: 'What would be done', value: { dry_run: true } },
      },
      handle: (call) => create(parts, 'compaction', call, call.body),
    }),
  ];
}

type Call = Parameters<typeof createJob>[1];

async function create(
  parts: UpkeepRouteParts,
  mode: LogUpkeepMode,
  call: Call,
  { dry_run, ...input }: UpkeepInput & { readonly dry_run: boolean },
) {
  const { ports, making, tenants } = parts;
  if (input.min_free_share !== undefined && ports.backfill === undefined)
    throw new ApiError(
      'not_supported',
      'This process cannot write its state anew: leave min_free_share out.',
    );
  if (dry_run) {
    const looking = { ports, mode, tenants: input.tenants };
    const plan = planOf({ mode, settings: ports.settings, tenants }, lookAt(looking), spaceOf(looking));
    return { status: 200 as const, json: { dry_run: true as const, plan } };
  }
  return await createJob(making, call, { type: mode, input }, () => requireNone(making.jobs, mode));
}

/** One of a mode at a time: two would do the same. Throws `backfill_running`. */
function requireNone(jobs: Pick<Jobs, 'openOf'>, mode: LogUpkeepMode): void {
  const [other] = jobs.openOf([mode]);
  if (other === undefined) return;
  throw new ApiError(
    'backfill_running',
    `Another job of this kind is under way: ${other.job_id}. Wait until it has ended, or cancel it.`,
  );
}
