import { z } from 'zod';
import {
  type CellsOfInterest,
  cubeViews,
  kpiQuerySchema,
  OPERATORS,
  ROW_DIMENSIONS,
  readCubeInfo,
} from '../../../analytics/index.ts';
import type { JobKind } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import {
  type ApiPorts,
  type BackfillPort,
  type Route,
  requireReader,
  route,
  timeText,
} from '../../http/index.ts';
import { type BackfillParts, requireNoBackfill, requirePort } from './backfill.ts';
import { backfillBody, backfillInput } from './backfill-request.ts';
import { createJob } from './create-job.ts';
import { JOB_EXAMPLE, jobSchema } from './job-view.ts';

const ROLLUP_JOB = 'rollup';
const HOUR_MS = 3_600_000;
/** Where a cube is complete for all time, or for none, it says a time that no event has. */
const FIRST_EVENT_MS = Date.UTC(2000, 0, 1);

const bodySchema = z.strictObject({
  start: z.string().max(64).describe('RFC 3339'),
  end: z.string().max(64).describe('Exclusive'),
  metrics: kpiQuerySchema.shape.metrics.optional().describe('Default: all'),
  dimensions: z
    .array(z.string().min(1).max(64))
    .max(ROW_DIMENSIONS.length)
    .optional()
    .describe('Rollups by these dimensions, or some of them; default: all'),
  dry_run: z.boolean().default(false).describe('Says which rollups there are, and does nothing'),
});

const rollupSchema = z.object({
  name: z.string().describe('As `meta.source` names it'),
  dimensions: z.array(z.string()),
  granularity: z.string(),
  complete_from: z.string().nullable().describe('null: for all events'),
  covers: z.boolean().describe('It is complete for the whole range'),
});

const planSchema = z.object({ dry_run: z.literal(true), rollups: z.array(rollupSchema) });

const EXAMPLE = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z', dimensions: ['country'] };

interface RollupInput {
  readonly of: CellsOfInterest & { readonly tenant?: string };
}

type Rollups = z.input<typeof planSchema>['rollups'];

/** The rollups of a tenant that have sums of a range. */
function rollupsOf(ports: Pick<ApiPorts, 'reader'>, tenant: string, of: CellsOfInterest): Rollups {
  const { dimensions: wanted } = of;
  return requireReader(ports).reader.snapshot((table) =>
    readCubeInfo(cubeViews(table, OPERATORS.cubes).definitions)
      .filter(({ isDropped, scope }) => !isDropped && (scope === undefined || scope === tenant))
      .filter(({ dimensions }) => wanted === undefined || dimensions.every((name) => wanted.includes(name)))
      .map(({ name, dimensions, bucket_ms, from_ms }) => ({
        ...{ name, dimensions: [...dimensions], granularity: bucket_ms === HOUR_MS ? '1h' : '1d' },
        complete_from: from_ms <= FIRST_EVENT_MS ? null : timeOrEnd(from_ms),
        covers: from_ms <= of.start_ms,
      })),
  );
}

/** A rollup that waits to be built is complete from no time. */
const timeOrEnd = (time_ms: number): string => timeText(Math.min(time_ms, 8_640_000_000_000_000));

/** Compares rollups with the event log, and puts right what differs. */
export function rollupKind(port: BackfillPort, ports: Pick<ApiPorts, 'reader'>): JobKind {
  return {
    type: ROLLUP_JOB,
    lane: 'backfill',
    run: async ({ record, signal, advance }) => {
      const { of } = record.input as RollupInput;
      const { tenant } = record;
      const onProgress = (done: number, total: number): void => advance({ done, total, unit: 'days' });
      const outcome = await port.recount({ of: { ...of, tenant }, isDry: false, signal, onProgress });
      return { result: { rollups: rollupsOf(ports, tenant, of), ...outcome } };
    },
  };
}

/** Section 11: rollups of some groups, looked at and put right now. */
export function rollupRoute(parts: BackfillParts, ports: Pick<ApiPorts, 'reader'>): Route {
  return route({
    id: 'createRollup',
    method: 'POST',
    path: '/jobs/rollup',
    tag: 'Jobs',
    summary: 'Bring the rollups of a range to what the events say',
    description:
      'Rollups are kept current by each commit: there is nothing to be triggered for numbers to be right. This counts ' +
      'those of the tenant and of the whole UTC days that the range touches again from the event log, puts right what ' +
      'differs, in one transaction, and reports: `rollups` with the time from which each is complete, `cells` that ' +
      'were equal, changed, added and gone, `fixed`. `POST /cubes` makes a rollup by other dimensions.',
    permission: 'backfills:create',
    reach: 'installation',
    body: bodySchema,
    body_examples: {
      august: { summary: 'A month by country', value: EXAMPLE },
      plan: { summary: 'Which rollups there are', value: { ...EXAMPLE, dry_run: true } },
    },
    idempotent: true,
    answers: {
      200: { description: 'The rollups, for `dry_run`', schema: planSchema },
      202: {
        description: 'The job',
        schema: jobSchema,
        headers: { Location: 'The job' },
        example: JOB_EXAMPLE,
      },
    },
    problems: [
      ...BODY_PROBLEMS,
      ...(['invalid_range', 'unknown_dimension', 'backfill_running', 'not_supported'] as const),
      ...(['too_many_jobs', 'kv_unavailable', 'state_not_ready'] as const),
    ],
    handle: async (call) => {
      const { tenant, body } = call;
      const { dry_run, ...asked } = body;
      const whole = backfillBody.parse({ ...asked, mode: 'range' });
      const { of } = backfillInput(whole, tenant, parts.tenants, parts.custom);
      requirePort(parts.port);
      if (dry_run) return { status: 200, json: { dry_run: true, rollups: rollupsOf(ports, tenant, of) } };
      const input: RollupInput = { of };
      return await createJob(parts.making, call, { type: ROLLUP_JOB, input }, () =>
        requireNoBackfill(parts.making.jobs, { tenant, of }),
      );
    },
  });
}
