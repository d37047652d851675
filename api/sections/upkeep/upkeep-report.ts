import { z } from 'zod';
import type { LogUpkeepMode, ScopeUpkeep } from '../../../engine/index.ts';
import type { Settings } from '../../../runtime/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import type { StateSpace, UpkeepLook } from './upkeep-look.ts';

/** Tenants that a report lists one by one: those with the most to do. */
const LISTED_MAX = 100;
const DAY_MS = 86_400_000;

const storedSchema = z.object({
  segments: z.int(),
  rows: z.int().describe('Rows in the store, also those that no answer shows any more'),
  bytes: z.int(),
});

const dueSchema = z.object({
  segments: z.int().describe('Segments that are written anew'),
  into: z.int().describe('Segments that they become'),
  rows: z.int().describe('Rows that are read for it'),
  bytes: z.int(),
  removed_rows: z.int().describe('Those of them that are behind the cut, and go'),
  removed_bytes: z.int().describe('About, in proportion'),
});

const spaceSchema = z.object({
  file_bytes: z.int(),
  used_bytes: z.int(),
  free_bytes: z
    .int()
    .describe(
      'In pages that hold nothing any more, about: they are used again, and keep their bytes until then',
    ),
});

const tenantSchema = z.object({
  tenant: z.string(),
  keeps_days: z.int().nullable().describe('Days before that of its newest event; null: everything is kept'),
  cut_before: z.string().nullable().describe('The day before which rows are gone; null: nothing was cut'),
  newest_day: z.string().nullable(),
  before: storedSchema,
  due: dueSchema,
  why_kept: z
    .enum(['no_limit', 'within_days', 'not_asked'])
    .describe(
      'Why what is left stays. `no_limit`: nothing says that anything goes. `within_days`: its days are counted from ' +
        'its newest event, so a tenant that sends nothing loses nothing. `not_asked`: the job is about segments alone',
    ),
});

export const planSchema = z.object({
  tenants: z.array(tenantSchema).describe('Those with the most to do first, 100 at most'),
  tenants_left_out: z.int(),
  totals: dueSchema.extend({ tenants: z.int().describe('With something to do') }),
  state: spaceSchema.nullable().describe('The file of the state; null: it is not on this process'),
});
export type UpkeepPlan = z.infer<typeof planSchema>;
type Due = z.infer<typeof dueSchema>;

export interface PlanParts {
  readonly mode: LogUpkeepMode;
  readonly settings: Pick<Settings, 'retentionDays'>;
  readonly tenants: Pick<Tenants, 'settingsOf'>;
}

const dayText = (day: number): string | null =>
  Number.isFinite(day) ? new Date(day * DAY_MS).toISOString().slice(0, 10) : null;

const dueOf = ({ due: { hidden_rows, hidden_bytes, ...due } }: ScopeUpkeep): Due => ({
  ...due,
  ...{ removed_rows: hidden_rows, removed_bytes: hidden_bytes },
});

/** What upkeep would do, by tenant. */
export function planOf(
  { mode, settings, tenants }: PlanParts,
  { scopes }: UpkeepLook,
  space: StateSpace | undefined,
): UpkeepPlan {
  const order = scopes.toSorted((a, b) => b.due.rows - a.due.rows || b.bytes - a.bytes);
  const totals = { segments: 0, into: 0, rows: 0, bytes: 0, removed_rows: 0, removed_bytes: 0, tenants: 0 };
  for (const scope of scopes) {
    const due = dueOf(scope);
    for (const name of Object.keys(due) as (keyof Due)[]) totals[name] += due[name];
    if (due.segments > 0) totals.tenants++;
  }
  return {
    tenants: order.slice(0, LISTED_MAX).map((scope) => {
      const { scope: tenant, segments, rows, bytes, firstDay, lastDay } = scope;
      const own = tenants.settingsOf(tenant)?.retention_days ?? Number.POSITIVE_INFINITY;
      const days = Math.min(own, settings.retentionDays ?? Number.POSITIVE_INFINITY);
      const keeps_days = Number.isFinite(days) ? days : null;
      return {
        ...{ tenant, keeps_days, cut_before: dayText(firstDay), newest_day: dayText(lastDay) },
        ...{ before: { segments, rows, bytes }, due: dueOf(scope) },
        why_kept: mode === 'compaction' ? 'not_asked' : keeps_days === null ? 'no_limit' : 'within_days',
      };
    }),
    tenants_left_out: Math.max(0, order.length - LISTED_MAX),
    totals,
    state: space ?? null,
  };
}

/** What was done: all that a plan said, and what there is now. */
export function reportOf(
  mode: LogUpkeepMode,
  plan: UpkeepPlan,
  { scopes }: UpkeepLook,
  space: StateSpace | undefined,
): object {
  const now = new Map(scopes.map((scope) => [scope.scope, scope]));
  return {
    tenants: plan.tenants.map(({ due: done, ...tenant }) => {
      const { segments = 0, rows = 0, bytes = 0 } = now.get(tenant.tenant) ?? {};
      return { ...tenant, after: { segments, rows, bytes }, done };
    }),
    tenants_left_out: plan.tenants_left_out,
    totals: plan.totals,
    state: plan.state === null || space === undefined ? null : { before: plan.state, after: space },
    stays: STAYS[mode],
  };
}

const STAYS: Readonly<Record<LogUpkeepMode, readonly string[]>> = {
  retention: [
    'rollups: they are sums, and a cut is of events',
    'ids of events and what the ledger remembers, where a tenant keeps less than the installation: repeats and new customers are known by them',
    'the messages of the stream, and the archive: POST /jobs/archive; dead letters: 90 days in their stream',
    'free pages of the file keep their bytes until they are used again: POST /jobs/compaction with min_free_share gives them back',
  ],
  compaction: [
    'segments of 131,072 rows and more: to merge them wins nothing',
    'rows that were taken back by a correction: as_of reads them',
    'free pages, unless min_free_share asked for less of them',
  ],
};
