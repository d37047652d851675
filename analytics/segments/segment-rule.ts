import { z } from 'zod';
import { filtersSchemaOf } from '../filters/index.ts';
import { DAY_MS } from '../query/index.ts';

/** Conditions of one rule. */
export const MAX_LEAVES = 64;
export const MAX_RULE_DEPTH = 8;
/** Conditions on events and on the first or last order: each is a test of every row. */
export const MAX_ROW_CONDITIONS = 24;

export const NUMBER_MEASURES = [
  'spend_net',
  'spend_gross',
  'refunds',
  'orders',
  'aov',
  'days_since_last_order',
] as const;
export const TIME_MEASURES = ['first_order', 'last_order'] as const;

const RELATIVE = /^-(\d{1,5})(h|d|w)$/;
const SPAN = /^(\d{1,5})(h|d|w)$/;
const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS };

/** ms of `90d`. */
export function spanMs(text: string): number {
  const [, count, unit] = SPAN.exec(text) ?? [];
  return Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
}

/** A time, or one before `end_ms`: `-30d`. */
export function momentMs(text: string, end_ms: number): number {
  return RELATIVE.test(text) ? end_ms - spanMs(text.slice(1)) : Date.parse(text);
}

const SIDES = ['gt', 'gte', 'lt', 'lte', 'eq', 'ne'] as const;
const comparing = <T extends z.ZodType>(value: T) => ({
  ...{ gt: value.optional(), gte: value.optional(), lt: value.optional() },
  ...{ lte: value.optional(), eq: value.optional(), ne: value.optional() },
});
type Comparing<T> = { readonly [S in (typeof SIDES)[number]]?: T | undefined };

const span = z
  .string()
  .regex(SPAN, 'hours, days or weeks: 24h, 90d, 12w')
  .describe('Only what lies within this time before the end');
const moment = z
  .string()
  .max(64)
  .refine((text) => RELATIVE.test(text) || /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text), {
    error: 'must be an RFC 3339 time with an offset, or a time before the end such as -30d',
  })
  .refine((text) => !Number.isNaN(momentMs(text, 0)), { error: 'is no time' });
const comparesOnce = [
  (given: object): boolean => SIDES.some((side) => side in given),
  { error: `needs a comparison: ${SIDES.join(', ')}` },
] as const;

const numberRule = z
  .strictObject({ measure: z.enum(NUMBER_MEASURES), within: span.optional(), ...comparing(z.number()) })
  .refine(...comparesOnce);
const timeRule = z
  .strictObject({ measure: z.enum(TIME_MEASURES), ...comparing(moment) })
  .refine(...comparesOnce);
const orderRuleOf = (custom: readonly string[]) =>
  z.strictObject({ order: z.enum(['first', 'last']), filters: filtersSchemaOf(custom) });
const eventRuleOf = (custom: readonly string[]) =>
  z.strictObject({
    event: z.string().min(1).max(64),
    filters: filtersSchemaOf(custom).optional(),
    within: span.optional(),
    ...comparing(z.int().min(0)),
  });

export type NumberRule = z.output<typeof numberRule>;
export type TimeRule = z.output<typeof timeRule>;
export type OrderRule = z.output<ReturnType<typeof orderRuleOf>>;
export type EventCountRule = z.output<ReturnType<typeof eventRuleOf>>;
/** A rule over customers, checked. */
export type SegmentRule =
  | { readonly and: readonly SegmentRule[] }
  | { readonly or: readonly SegmentRule[] }
  | { readonly not: SegmentRule }
  | NumberRule
  | TimeRule
  | OrderRule
  | EventCountRule;

const FORMS =
  '{"and": […]}, {"or": […]}, {"not": …}, {"measure": …}, {"order": "first" or "last", "filters": …} or {"event": …}';

/**
 * A rule in JSON. What it gives is what came in: a rule is plain data, and is its own checked form. Every fault is
 * reported at its place.
 */
export function segmentRuleSchemaOf(custom: readonly string[] = []): z.ZodType<SegmentRule> {
  const schema = z
    .looseObject({})
    .describe(
      `Who is in it: ${FORMS}. Measures: ${[...NUMBER_MEASURES, ...TIME_MEASURES].join(', ')}. Comparisons: ` +
        `${SIDES.join(', ')}. Times may be before the end: -30d. At most ${MAX_LEAVES} conditions, ` +
        `${MAX_RULE_DEPTH} deep`,
    )
    .superRefine((rule, context) => {
      const faults = new RuleFaults(custom).of(rule);
      for (const { path, message } of faults) context.addIssue({ code: 'custom', path: [...path], message });
    });
  return schema as unknown as z.ZodType<SegmentRule>;
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Finds what is wrong with a rule, each fault at its place. */
class RuleFaults {
  readonly #order: z.ZodType;
  readonly #event: z.ZodType;
  readonly #faults: Fault[] = [];
  #leaves = 0;
  #rowConditions = 0;

  constructor(custom: readonly string[]) {
    this.#order = orderRuleOf(custom);
    this.#event = eventRuleOf(custom);
  }

  of(rule: unknown): readonly Fault[] {
    this.#check(rule, [], 1);
    if (this.#leaves > MAX_LEAVES) this.#refuse([], `has more than ${MAX_LEAVES} conditions`);
    if (this.#rowConditions > MAX_ROW_CONDITIONS)
      this.#refuse([], `has more than ${MAX_ROW_CONDITIONS} conditions on events and orders`);
    return this.#faults;
  }

  #refuse(path: readonly PropertyKey[], message: string): void {
    this.#faults.push({ path, message });
  }

  #check(value: unknown, path: readonly PropertyKey[], depth: number): void {
    if (depth > MAX_RULE_DEPTH) this.#refuse(path, `is nested more than ${MAX_RULE_DEPTH} deep`);
    else if (typeof value !== 'object' || value === null) this.#refuse(path, `must be ${FORMS}`);
    else if ('and' in value) this.#checkList(value, 'and', value.and, path, depth);
    else if ('or' in value) this.#checkList(value, 'or', value.or, path, depth);
    else if (!('not' in value)) this.#checkLeaf(value, path);
    else if (Object.keys(value).length > 1) this.#refuse(path, 'must have nothing beside `not`');
    else this.#check(value.not, [...path, 'not'], depth + 1);
  }

  #checkList(
    rule: object,
    join: 'and' | 'or',
    list: unknown,
    path: readonly PropertyKey[],
    depth: number,
  ): void {
    if (Object.keys(rule).length > 1 || !Array.isArray(list) || list.length === 0)
      this.#refuse([...path, join], 'must be a list of one rule at least, and nothing beside it');
    else for (const [at, one] of list.entries()) this.#check(one, [...path, join, at], depth + 1);
  }

  #checkLeaf(leaf: object, path: readonly PropertyKey[]): void {
    this.#leaves++;
    if ('order' in leaf || 'event' in leaf) this.#rowConditions++;
    const schema = this.#schemaOf(leaf);
    if (schema === undefined) this.#refuse(path, `must be ${FORMS}`);
    for (const issue of schema?.safeParse(leaf).error?.issues ?? [])
      this.#refuse([...path, ...issue.path], issue.message);
  }

  #schemaOf(leaf: object): z.ZodType | undefined {
    if ('measure' in leaf)
      return (TIME_MEASURES as readonly unknown[]).includes(leaf.measure) ? timeRule : numberRule;
    if ('order' in leaf) return this.#order;
    return 'event' in leaf ? this.#event : undefined;
  }
}

/** Whether a value meets the comparisons; one that there is none of meets none. */
export function compares(
  value: number | undefined,
  rule: Comparing<number | string>,
  toNumber: (given: number | string) => number = Number,
): boolean {
  if (value === undefined) return false;
  return SIDES.every((side) => {
    const given = rule[side];
    if (given === undefined) return true;
    const other = toNumber(given);
    if (side === 'gt') return value > other;
    if (side === 'gte') return value >= other;
    if (side === 'lt') return value < other;
    if (side === 'lte') return value <= other;
    return side === 'eq' ? value === other : value !== other;
  });
}
