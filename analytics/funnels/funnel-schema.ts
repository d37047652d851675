import { z } from 'zod';
import { dimensionsSchemaOf, KPI_DIMENSIONS, segmentFiltersSchemaOf } from '../filters/index.ts';
import { GRANULARITY_INPUTS } from '../query/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';

export const MAX_STEPS = 32;
const MAX_EXCLUSIONS = 16;
const MAX_HELD = 4;
const MAX_DIMENSIONS = 3;
export const MAX_ANSWERED_GROUPS = 1_000;
const DEFAULT_GROUPS = 25;
const MAX_WINDOW_DAYS = 3_660;

export const FUNNEL_ENTITIES = ['customer_id', 'session_id', 'order_id'] as const;
export type FunnelEntity = (typeof FUNNEL_ENTITIES)[number];
export const FUNNEL_STATUSES = ['converted', 'in_progress', 'dropped'] as const;

const WINDOW = /^(\d{1,9})(ms|s|m|h|d|w)$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  ...{ ms: 1, s: 1_000, m: 60_000, h: 3_600_000 },
  ...{ d: 86_400_000, w: 7 * 86_400_000 },
};
const ATTRIBUTION = /^(?:first_step|last_step|step_(?:[1-9]|[12]\d|3[0-2]))$/;

/** ms of a window, such as `7d`. */
export function windowMs(text: string): number {
  const [, count, unit = ''] = WINDOW.exec(text) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? Number.NaN);
}

const windowSchema = z
  .string()
  .regex(WINDOW, 'a number and a unit: 30m, 12h, 7d; ms, s, m, h, d or w')
  .refine((text) => windowMs(text) <= MAX_WINDOW_DAYS * 86_400_000, {
    error: `at most ${MAX_WINDOW_DAYS} days`,
  });

const eventMember = z.string().min(1).max(64).describe('Type of the event');

function namesOf(custom: readonly string[]) {
  return [...KPI_DIMENSIONS, ...custom] as unknown as readonly [string, ...string[]];
}

const isWithoutRepetition = (given: readonly string[]): boolean => new Set(given).size === given.length;

function shapeOf(custom: readonly string[]) {
  const filters = segmentFiltersSchemaOf(custom);
  const step = z.strictObject({
    event: eventMember,
    name: z.string().min(1).max(128).optional().describe('Default: the type of the event'),
    filters: filters.optional(),
  });
  const exclusion = z.strictObject({
    ...{ event: eventMember, filters: filters.optional() },
    from: z.int().min(1).max(MAX_STEPS).default(1).describe('Strictly after this step'),
    to: z.int().min(2).max(MAX_STEPS).optional().describe('Strictly before this step; default: the last'),
    effect: z
      .enum(['drop_attempt', 'drop_user'])
      .default('drop_attempt')
      .describe('The attempt does not count, or the entity counts nowhere'),
  });
  const held = ['customer_id', 'session_id', 'order_id', ...namesOf(custom)] as [string, ...string[]];
  return {
    steps: z.array(step).min(2).max(MAX_STEPS),
    window: windowSchema.default('7d').describe('From step 1 on, inclusive'),
    order: z
      .enum(['ordered', 'strict', 'any'])
      .default('ordered')
      .describe('`strict`: no other event of the entity between two steps; `any`: steps in any order'),
    entry: z
      .enum(['latest', 'first'])
      .default('latest')
      .describe('`latest`: a newer step 1 begins anew where that comes as far; `first`: only the first one'),
    ties: z
      .enum(['convert', 'strict_increase'])
      .default('convert')
      .describe('Events of one time fill the steps in step order, or one step at most'),
    exclusions: z.array(exclusion).max(MAX_EXCLUSIONS).default([]),
    hold_constant: z
      .array(z.enum(held))
      .max(MAX_HELD)
      .refine(isWithoutRepetition, 'A property is repeated')
      .default([])
      .describe('Equal on all events that fill steps'),
    entity: z.enum(FUNNEL_ENTITIES).default('customer_id').describe('What goes through the funnel'),
  };
}

interface Spanned {
  readonly steps: readonly unknown[];
  readonly exclusions: readonly { readonly from: number; readonly to?: number | undefined }[];
}

function checkSpans({ value, issues }: z.core.ParsePayload<Spanned>): void {
  for (const [at, { from, to = value.steps.length }] of value.exclusions.entries()) {
    if (from < to && to <= value.steps.length) continue;
    const message = `is no span of the ${value.steps.length} steps: \`from\` comes before \`to\``;
    issues.push({ code: 'custom', path: ['exclusions', at], message, input: value });
  }
}

/** What a stored funnel says. Who is in a segment that a step names is found out when it is asked. */
export function funnelDefinitionSchemaOf(custom: readonly string[] = []) {
  return z.strictObject(shapeOf(custom)).check(checkSpans);
}

export type FunnelCriteria = z.output<ReturnType<typeof funnelDefinitionSchemaOf>>;

/** What is asked of a funnel. */
export function funnelMembersOf(custom: readonly string[] = []) {
  const { currency: _, ...head } = HEAD_MEMBERS;
  return {
    ...head,
    filters: segmentFiltersSchemaOf(custom).optional().describe('On the events of every step'),
    group_by: dimensionsSchemaOf(custom, MAX_DIMENSIONS)
      .default([])
      .describe('Dimensions of the event that filled the step of `attribution`'),
    attribution: z
      .string()
      .regex(ATTRIBUTION, 'first_step, last_step, or step_2 and the like')
      .default('first_step')
      .describe('`first_step`, `last_step` (the furthest that was reached) or `step_k`'),
    granularity: z.enum(GRANULARITY_INPUTS).optional().describe('Of the trend by entry; default: no trend'),
    limit: z
      .int()
      .min(1)
      .max(MAX_ANSWERED_GROUPS)
      .default(DEFAULT_GROUPS)
      .describe('Groups to answer, the largest; the others are `__other__`'),
  };
}

/** The body of a query of a funnel that is not stored. */
export function adhocFunnelSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({ ...shapeOf(custom), ...funnelMembersOf(custom) }).check(checkSpans);
}

/** A validated query. */
export type FunnelQuery = z.output<ReturnType<typeof adhocFunnelSchemaOf>> & {
  /** Of the definition that it was asked of. */
  readonly funnel?: { readonly id: string; readonly name: string; readonly revision: number };
};

/** One page of the entities behind a number. */
export interface FunnelEntitiesQuery extends FunnelQuery {
  /** From 1. Without a status: who reached it. With one: who got no further. `converted` is of the last one. */
  readonly step: number;
  readonly status?: (typeof FUNNEL_STATUSES)[number] | undefined;
  /** Of the values of `group_by`; '' is none. */
  readonly group?: readonly string[] | undefined;
  /** Entities after the one with this hash. */
  readonly after?: { readonly hi: number; readonly lo: number } | undefined;
  /** That of the first page: statuses do not change from page to page. */
  readonly watermark_ms?: number | null | undefined;
}
