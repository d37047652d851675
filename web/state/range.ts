import { computed, signal } from '@preact/signals';
import { place } from './place.ts';
import { dateMs, dayOf, isZone } from './zones.ts';

const DAY_MS = 86_400_000;

/** Ranges by days, today the last of them. */
export const PRESETS = {
  today: { title: 'Today', days: 1 },
  last_7d: { title: '7d', days: 7 },
  last_30d: { title: '30d', days: 30 },
  last_90d: { title: '90d', days: 90 },
  last_365d: { title: '1y', days: 365 },
} as const;
export type Preset = keyof typeof PRESETS;
const DEFAULT: Preset = 'last_30d';

/** What the tenant's settings and data say; set when somebody has signed in. */
export const tenantZone = signal('UTC');
/** Time of the newest event that counts, ms; null where there is none, undefined while unknown. */
export const newest = signal<number | null | undefined>(undefined);
/** Moves once a minute, so that "today" does. ms. */
export const now = signal(Date.now());

export interface Range {
  readonly preset: Preset | 'custom';
  /** Included, ISO 8601. */
  readonly start: string;
  /** Excluded, ISO 8601. */
  readonly end: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly zone: string;
  /** Whether it counts back from the newest event, for data of the past. */
  readonly isOfPast: boolean;
}

export const zone = computed(() => {
  const asked = place.value.params.zone;
  return asked !== undefined && isZone(asked) ? asked : tenantZone.value;
});

const isPreset = (text: string | undefined): text is Preset => text !== undefined && text in PRESETS;

/** The range that all pages show. Ranges by days count back from today, or from the newest event when that is older. */
export const range = computed<Range>(() => {
  const { params } = place.value;
  const own = zone.value;
  const from = params.start === undefined ? undefined : dateMs(params.start, own);
  const to = params.end === undefined ? undefined : dateMs(params.end, own);
  if (from !== undefined && to !== undefined && from <= to) {
    return made('custom', from, dayOf(to, own, 1), own, false);
  }
  const preset = isPreset(params.range) ? params.range : DEFAULT;
  const last = newest.value;
  const isOfPast = typeof last === 'number' && last < now.value - 2 * DAY_MS;
  const anchor = isOfPast ? last : now.value;
  const { days } = PRESETS[preset];
  return made(preset, dayOf(anchor, own, 1 - days), dayOf(anchor, own, 1), own, isOfPast);
});

function made(
  preset: Range['preset'],
  start_ms: number,
  end_ms: number,
  own: string,
  isOfPast: boolean,
): Range {
  const [start, end] = [start_ms, end_ms].map((ms) => new Date(ms).toISOString()) as [string, string];
  return { preset, start, end, start_ms, end_ms, zone: own, isOfPast };
}

export type Granularity = '1h' | '1d' | '1w' | '1M';
export const GRANULARITIES: Readonly<Record<Granularity, string>> = {
  '1h': 'hour',
  '1d': 'day',
  '1w': 'week',
  '1M': 'month',
};

/** About 24 to 100 points for a range. */
export function granularityFor({ start_ms, end_ms }: Range): Granularity {
  const days = (end_ms - start_ms) / DAY_MS;
  if (days <= 3) return '1h';
  if (days <= 100) return '1d';
  return days <= 700 ? '1w' : '1M';
}

/** The members of a query's body that say when. */
export const headOf = ({ start, end, zone: timezone }: Range) => ({ start, end, timezone });
