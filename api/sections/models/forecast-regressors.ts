import { z } from 'zod';
import type { ForecastSeries, GranularityName, Regressor } from '../../../analytics/index.ts';
import { ApiError } from '../../http/index.ts';

const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day: 2025-12-24');

/** What moves a metric beside its own course. */
export const regressorsSchema = z
  .strictObject({
    calendar: z
      .array(z.enum(['day_of_week', 'month_end']))
      .max(2)
      .default([])
      .describe('Of steps of a day; `month_end` are the last three days of a month'),
    holidays: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(60),
          days: z.array(day).min(1).max(400).describe('In the time zone; those of the future too'),
        }),
      )
      .max(20)
      .default([]),
    spend: z
      .strictObject({
        channels: z.array(z.string().min(1)).min(1).max(50).optional(),
        campaigns: z.array(z.string().min(1)).min(1).max(50).optional(),
        planned: z
          .array(z.strictObject({ day, amount: z.int().min(0).describe('Minor units') }))
          .max(800)
          .optional()
          .describe('In the future; without it spend stays at the mean of the last season'),
      })
      .optional()
      .describe('Promotions: `campaign.spend`, with an effect that flattens out'),
    stock_outs: z
      .array(
        z.strictObject({
          key: z
            .record(z.string(), z.string().nullable())
            .default({})
            .describe('Of groups with these values'),
          first_day: day,
          last_day: day,
        }),
      )
      .max(1_000)
      .default([])
      .describe('Days on which less was there than would have been sold: nothing is learnt from them'),
  })
  .describe('What moves the metric beside its own course');
export type RegressorsWish = z.output<typeof regressorsSchema>;

const OF_DAYS: readonly GranularityName[] = ['1d'];
const WITHIN_DAYS: readonly GranularityName[] = ['1m', '5m', '15m', '1h', '1d'];

/** Throws ApiError `validation_failed` for what steps of that length cannot tell, or no group has. */
export function requireFitting(
  wish: RegressorsWish | undefined,
  { granularity, group_by }: { readonly granularity: GranularityName; readonly group_by: readonly string[] },
): void {
  if (wish === undefined) return;
  const refuse = (member: string, message: string): ApiError => {
    const path = `params.regressors.${member}`;
    return new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });
  };
  if (wish.calendar.length > 0 && !OF_DAYS.includes(granularity)) {
    throw refuse('calendar', 'needs steps of a day: granularity 1d');
  }
  if (wish.stock_outs.length > 0 && !WITHIN_DAYS.includes(granularity)) {
    throw refuse('stock_outs', 'needs steps of a day or less');
  }
  const turned = wish.stock_outs.findIndex(({ first_day, last_day }) => last_day < first_day);
  if (turned >= 0) throw refuse(`stock_outs.${turned}.last_day`, 'is before first_day');
  for (const [at, { key }] of wish.stock_outs.entries()) {
    const other = Object.keys(key).find((name) => name !== 'currency' && !group_by.includes(name));
    if (other === undefined) continue;
    throw refuse(`stock_outs.${at}.key.${other}`, 'is in no group: add it to dataset.group_by');
  }
}

const DAY_MS = 86_400_000;
const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const WEEK = 7;
/** A day is of the end of its month that is followed by fewer days of it. */
const MONTH_END_DAYS = 3;

export interface StepsGiven {
  /** RFC 3339 with the zone's offset: of the history, then of the future, then the end of the last step. */
  readonly times: readonly string[];
  /** Steps of the history. */
  readonly known: number;
  readonly season: number;
  readonly granularity: GranularityName;
  /** Minor units, for each step of the history; undefined where it is not asked for. */
  readonly spend?: readonly number[] | undefined;
}

/** A number for each step, by regressor. */
export function regressorsOf(wish: RegressorsWish, given: StepsGiven): readonly Regressor[] {
  const all = given.times.map((time) => time.slice(0, 10));
  const days = all.slice(0, -1);
  const found: Regressor[] = [];
  const marked = (name: string, isOn: (day: string) => boolean): void => {
    found.push({ name, values: days.map((one) => Number(isOn(one))) });
  };
  // A season of a week has the days of it.
  if (wish.calendar.includes('day_of_week') && given.season % WEEK !== 0) {
    for (const [place, name] of DAYS.entries())
      marked(name, (one) => new Date(one).getUTCDay() === place + 1);
  }
  if (wish.calendar.includes('month_end')) {
    marked('month_end', (one) => {
      const later = new Date(Date.parse(one) + MONTH_END_DAYS * DAY_MS);
      return later.getUTCMonth() !== new Date(one).getUTCMonth();
    });
  }
  for (const { name, days: own } of wish.holidays) {
    found.push({
      name,
      values: WITHIN_DAYS.includes(given.granularity) ? marks(days, own) : counts(all, own),
    });
  }
  const { spend } = given;
  if (wish.spend !== undefined && spend !== undefined) {
    const { planned } = wish.spend;
    const future = planned === undefined ? [] : plannedOf(all.slice(given.known), planned);
    const above = spend.filter((value) => value > 0);
    const typical = above.reduce((sum, value) => sum + value, 0) / Math.max(above.length, 1);
    const values = [...spend, ...future].map((value) =>
      Math.log1p(Math.max(value, 0) / Math.max(typical, 1)),
    );
    found.push({ name: 'spend', values });
  }
  return found;
}

function marks(days: readonly string[], own: readonly string[]): number[] {
  const all = new Set(own);
  return days.map((one) => Number(all.has(one)));
}

/** Of steps longer than a day, and the end of the last: how many of the days lie in each. */
function counts(days: readonly string[], own: readonly string[]): number[] {
  return days.slice(0, -1).map((first, at) => {
    const next = days[at + 1] ?? first;
    return own.filter((one) => one >= first && one < next).length;
  });
}

function plannedOf(
  days: readonly string[],
  planned: readonly { readonly day: string; readonly amount: number }[],
): number[] {
  const steps = days.slice(0, -1);
  return steps.map((first, at) => {
    const next = days[at + 1] ?? first;
    const isIn = (one: string): boolean => one === first || (one > first && one < next);
    // Of a day with several steps each has its share.
    const share = steps.filter((one) => one === first).length;
    return planned.reduce((sum, one) => sum + (isIn(one.day) ? one.amount / share : 0), 0);
  });
}

type Key = Readonly<Record<string, string | null>>;

const isOf = (key: Key, group: Key): boolean =>
  Object.entries(key).every(([name, value]) => group[name] === value);

/** Stock-outs of groups that are not there, in words. */
export function unusedStockOuts(
  wish: RegressorsWish | undefined,
  groups: readonly { readonly key: Key }[],
): readonly string[] {
  return (wish?.stock_outs ?? [])
    .filter(({ key }) => !groups.some((group) => isOf(key, group.key)))
    .map(({ key }) => `No group has ${JSON.stringify(key)}: its stock-out changes nothing.`);
}

/** Whether nothing is learnt from each step of a group's history. */
export function censoredOf(
  wish: RegressorsWish,
  key: Key,
  times: readonly string[],
): NonNullable<ForecastSeries['censored']> {
  const own = wish.stock_outs.filter((one) => isOf(one.key, key));
  return times.map((time) => {
    const at = time.slice(0, 10);
    return own.some(({ first_day, last_day }) => at >= first_day && at <= last_day);
  });
}

/** What a prediction takes for granted because of regressors, in words. */
export function regressorAssumptions(wish: RegressorsWish | undefined): readonly string[] {
  if (wish === undefined) return [];
  const { holidays, spend, stock_outs } = wish;
  return [
    ...(holidays.length > 0
      ? ['Holidays of the future are those that were listed, with the effect of the past ones.']
      : []),
    ...(spend === undefined
      ? []
      : [
          spend.planned === undefined
            ? 'No spend was planned: it stays at the mean of the last season.'
            : 'Spend is as planned, and 0 on other days.',
        ]),
    ...(stock_outs.length > 0
      ? ['What is forecast is demand: days that were sold out say nothing, and none come.']
      : []),
  ];
}
