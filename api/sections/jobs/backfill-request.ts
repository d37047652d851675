import { z } from 'zod';
import {
  type CellsOfInterest,
  kpiQuerySchema,
  M,
  type Measure,
  measuresOf,
  OwnMetrics,
  parseRange,
  ROW_DIMENSIONS,
  requireMetric,
} from '../../../analytics/index.ts';
import { ApiError } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';

/** Before and after every event. */
const ALL_TIME = { start_ms: -4e12, end_ms: 8e12 };

export const backfillBody = z.strictObject({
  mode: z
    .enum(['shadow', 'range'])
    .default('shadow')
    .describe(
      '`shadow`: the whole state anew, from the stream, beside the live one. `range`: sums of one tenant, of the whole ' +
        'UTC days that the range touches, anew from the event log, in place',
    ),
  start: z.string().max(64).optional().describe('From when the numbers are in doubt, RFC 3339'),
  end: z.string().max(64).optional().describe('Until when, exclusive'),
  metrics: kpiQuerySchema.shape.metrics.optional().describe('Which of them; default: all'),
  dimensions: z
    .array(z.string().min(1).max(64))
    .max(ROW_DIMENSIONS.length)
    .optional()
    .describe('Sums by these dimensions, or some of them; default: all'),
  activate: z
    .enum(['auto', 'manual'])
    .default('auto')
    .describe('`manual`: the new generation is left ready, for POST /generations/{n}/activate'),
  dry_run: z
    .boolean()
    .default(false)
    .describe('Answers what it would read and write, and how long it would take, and builds nothing'),
  reason: z.string().min(1).max(500).optional().describe('Why, for those who read the job'),
});
export type BackfillBody = z.output<typeof backfillBody>;

/** What a job is told. Plain data; one of an earlier version has neither `mode` nor `of`. */
export interface BackfillInput {
  readonly mode?: 'shadow' | 'range';
  readonly isActivated?: boolean;
  readonly of?: CellsOfInterest & { readonly tenant?: string };
  readonly reason?: string;
}

/** Checks a body. Throws `invalid_range`, `validation_failed`, `unknown_dimension`. */
export function backfillInput(
  body: BackfillBody,
  tenant: string,
  tenants: Pick<Tenants, 'metricsOf' | 'dimensions'>,
  custom: readonly string[],
): BackfillInput & { readonly of: NonNullable<BackfillInput['of']> } {
  const { mode, start, end, metrics, dimensions, activate, reason } = body;
  if (mode === 'range' && (start === undefined || end === undefined))
    throw new ApiError('invalid_range', 'A range has a start and an end.');
  const span = start === undefined && end === undefined ? ALL_TIME : parseRange(start ?? '', end ?? '');
  for (const [at, name] of (dimensions ?? []).entries()) {
    const isKnown = ROW_DIMENSIONS.some((one) => one === name) || custom.includes(name);
    if (isKnown && tenants.dimensions.sees(tenant, name)) continue;
    const message = `There is no dimension "${name}".`;
    throw new ApiError('unknown_dimension', message, { errors: [{ path: `dimensions.${at}`, message }] });
  }
  const measures = metrics === undefined ? undefined : measuresIn(metrics, tenant, tenants);
  return {
    ...{ mode, isActivated: activate === 'auto' },
    ...(reason === undefined ? {} : { reason }),
    of: {
      ...{ start_ms: span.start_ms, end_ms: span.end_ms },
      ...(mode === 'range' ? { tenant } : {}),
      ...(measures === undefined ? {} : { measures }),
      ...(dimensions === undefined ? {} : { dimensions }),
    },
  };
}

/** The sums that metrics are made of. Those of a tenant's own metrics lie in no cube: queries take them from the log. */
function measuresIn(
  metrics: readonly string[],
  tenant: string,
  tenants: Pick<Tenants, 'metricsOf'>,
): readonly number[] {
  const own = new OwnMetrics(tenants.metricsOf(tenant, metrics));
  const measures = metrics.flatMap((name, at) => measuresOf(requireMetric(own, name, `metrics.${at}`)));
  return [...new Set(measures)].flatMap((measure) => (measure in M ? [M[measure as Measure]] : []));
}
