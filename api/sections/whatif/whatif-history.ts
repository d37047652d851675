import {
  CAMPAIGN_SPEND,
  DAY_MS,
  type ItemHistory,
  type KpiGroup,
  type KpiQuery,
  type KpiResult,
  kpiSchemaOf,
  type MediumHistory,
  WHATIF_MAX_ITEMS,
  WHATIF_MIN_DAYS,
  type WhatifChange,
} from '../../../analytics/index.ts';
import { ApiError } from '../../http/index.ts';

export const HISTORY_MAX_DAYS = 366;
/** Half a year, whole weeks. */
const DEFAULT_DAYS = 182;
const MINUTE_MS = 60_000;
/** Of one answer: groups times days. */
const MAX_POINTS = 90_000;

export interface HistoryRange {
  readonly start: string;
  readonly end: string;
  readonly timezone?: string | undefined;
  readonly currency?: string | undefined;
}

/** The range that is asked for, else the half year up to where events are complete. Throws ApiError. */
export function rangeOf(
  { start, end, timezone, currency }: { readonly [K in keyof HistoryRange]?: string | undefined },
  watermark_ms: number | null,
): HistoryRange {
  if (watermark_ms === null && end === undefined) throw tooLittle('There are no events yet.');
  const end_ms =
    end === undefined ? Math.floor((watermark_ms ?? 0) / MINUTE_MS) * MINUTE_MS : Date.parse(end);
  const from = start ?? new Date(end_ms - (DEFAULT_DAYS + 1) * DAY_MS).toISOString();
  if (end_ms - Date.parse(from) > (HISTORY_MAX_DAYS + 1) * DAY_MS) {
    const message = `is more than ${HISTORY_MAX_DAYS} days before the end`;
    throw new ApiError('validation_failed', `start ${message}.`, { errors: [{ path: 'start', message }] });
  }
  return { start: from, end: end ?? new Date(end_ms).toISOString(), timezone, currency };
}

export function tooLittle(why: string): ApiError {
  const message = `${why} A what-if needs ${WHATIF_MIN_DAYS} complete days of history.`;
  return new ApiError('not_enough_data', message, { errors: [{ path: 'start', message }] });
}

/** Units and revenue of each item by day. */
export function itemsQuery(range: HistoryRange, custom: readonly string[]): KpiQuery {
  const days = Math.max(1, Math.ceil((Date.parse(range.end) - Date.parse(range.start)) / DAY_MS) + 1);
  return kpiSchemaOf(custom).parse({
    ...defined(range),
    ...{
      metrics: ['revenue', 'units_sold'],
      granularity: '1d',
      group_by: ['sku', 'category'],
      explain: true,
    },
    limit: Math.max(1, Math.min(WHATIF_MAX_ITEMS, Math.floor(MAX_POINTS / days))),
  });
}

/** Revenue, units and spend of the values of a dimension that changes name, by day. */
export function mediaQuery(
  range: HistoryRange,
  dimension: string,
  changes: readonly WhatifChange[],
  custom: readonly string[],
): KpiQuery {
  const values = changes.flatMap((change) => (change.dimension === dimension ? [change.value ?? ''] : []));
  const asked = kpiSchemaOf(custom).parse({
    ...defined(range),
    ...{ metrics: ['revenue', 'units_sold'], granularity: '1d', group_by: [dimension], explain: true },
    filters: { [dimension]: [...new Set(values)] },
  });
  return { ...asked, metrics: [...asked.metrics, CAMPAIGN_SPEND.name], own_metrics: [CAMPAIGN_SPEND] };
}

const defined = (range: HistoryRange): object =>
  Object.fromEntries(Object.entries(range).filter(([, value]) => value !== undefined));

const isWhole = (bucket: KpiGroup['buckets'][number]): boolean =>
  bucket.incomplete !== true && bucket.partial !== true;

function column({ buckets }: KpiGroup, metric: string): number[] {
  return buckets.filter(isWhole).map((bucket) => Number(bucket[metric] ?? 0));
}

/** Throws ApiError where a history is too short or its money is of several currencies. */
export function requireUsable({ groups, currency }: KpiResult): void {
  const currencies = new Set(
    groups.flatMap(({ key }) => ('currency' in key ? [key.currency ?? 'none'] : [])),
  );
  if (currency === undefined && currencies.size > 1) {
    const message = `The money is in ${[...currencies].join(', ')}: name the \`currency\` to convert to.`;
    throw new ApiError('currency_required', message, { errors: [{ path: 'currency', message }] });
  }
  const days = (groups[0]?.buckets ?? []).filter(isWhole).length;
  if (groups.length > 0 && days < WHATIF_MIN_DAYS) throw tooLittle(`The range has ${days} complete days.`);
}

/** Days before the first sale of anything are none of the history: the shop had not begun. */
function begun<T extends { readonly revenue: readonly number[] }>(all: readonly T[]): number {
  const days = all[0]?.revenue.length ?? 0;
  for (let day = 0; day < days; day++) if (all.some(({ revenue }) => (revenue[day] ?? 0) !== 0)) return day;
  return days;
}

/** One for each sku; one that changed its category has the last one that sold most. */
export function itemsOf({ groups }: KpiResult): readonly ItemHistory[] {
  const found = new Map<string, { item: ItemHistory; total: number }>();
  for (const group of groups) {
    const { sku, category } = group.key;
    if (sku === undefined || sku === null || sku === '') continue;
    const [units, revenue] = [column(group, 'units_sold'), column(group, 'revenue')];
    const total = revenue.reduce((sum, value) => sum + value, 0);
    const before = found.get(sku);
    const item = { sku, category: category ?? '', units, revenue };
    if (before === undefined) found.set(sku, { item, total });
    else {
      const larger = total > before.total ? item : before.item;
      const merged = {
        ...larger,
        units: units.map((value, day) => value + (before.item.units[day] ?? 0)),
        revenue: revenue.map((value, day) => value + (before.item.revenue[day] ?? 0)),
      };
      found.set(sku, { item: merged, total: Math.max(total, before.total) });
    }
  }
  const items = [...found.values()].map(({ item }) => item);
  return trimmed(items, (item, first) => ({
    ...item,
    units: item.units.slice(first),
    revenue: item.revenue.slice(first),
  }));
}

export function mediaOf({ groups }: KpiResult, dimension: string): readonly MediumHistory[] {
  const media = groups.map((group) => ({
    ...{ dimension, value: group.key[dimension] ?? '' },
    spend: column(group, CAMPAIGN_SPEND.name).map((value) => Math.max(value, 0)),
    ...{ revenue: column(group, 'revenue'), units: column(group, 'units_sold') },
  }));
  return trimmed(media, (medium, first) => ({
    ...medium,
    spend: medium.spend.slice(first),
    revenue: medium.revenue.slice(first),
    units: medium.units.slice(first),
  }));
}

function trimmed<T extends { readonly revenue: readonly number[] }>(
  all: readonly T[],
  cut: (one: T, first: number) => T,
): readonly T[] {
  const first = begun(all);
  const left = (all[0]?.revenue.length ?? 0) - first;
  if (all.length > 0 && left < WHATIF_MIN_DAYS) throw tooLittle(`Sales began ${left} complete days ago.`);
  return all.map((one) => cut(one, first));
}
