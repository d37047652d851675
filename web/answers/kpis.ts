import type { AnswerMeta } from '../api/index.ts';

/** Answer of `POST /kpis/query`. Money is in minor units. */
export interface KpiAnswer {
  readonly query_id: string;
  readonly groups: readonly KpiGroup[];
  readonly groups_total: number;
  readonly truncated: boolean;
  readonly currency?: string | null;
  readonly meta: AnswerMeta;
}

type Values = Readonly<Record<string, number | null>>;

export interface KpiGroup {
  readonly key: Readonly<Record<string, string | null>>;
  readonly buckets: readonly KpiBucket[];
  readonly totals: Values;
  readonly previous_totals?: Values;
  readonly delta_pct?: Values;
}

/** A bucket: its start, its metrics by name, and the same of the span before where it was asked for. */
export interface KpiBucket {
  readonly time: string;
  readonly incomplete?: boolean;
  readonly previous?: { readonly time: string } & Readonly<Record<string, unknown>>;
  readonly [metric: string]: unknown;
}

/** A metric of a bucket; null where it has no value. */
export function metricIn(
  bucket: Readonly<Record<string, unknown>> | undefined,
  metric: string,
): number | null {
  const value = bucket?.[metric];
  return typeof value === 'number' ? value : null;
}

/** Since where buckets of a chart are not over; nothing where all are. */
export function openSince(buckets: readonly KpiBucket[]): { readonly openSince?: number } {
  const at = buckets.findIndex(({ incomplete }) => incomplete === true);
  return at === -1 ? {} : { openSince: at };
}

/** The value of groups that a limit has added up. */
const OTHER = '__other__';

/** Whether a group is all that a limit left out, and no value of its own. */
export const isOther = (key: KpiGroup['key']): boolean => Object.values(key).includes(OTHER);

/** Values of a dimension as a reader sees them: `DE / email`; `(none)` for what has none. */
export const keyText = (key: KpiGroup['key']): string =>
  Object.values(key)
    .map((value) => (value === OTHER ? 'all others' : (value ?? '(none)')))
    .join(' / ') || 'All';

/** Answer of `GET /kpis/summary`. */
export interface SummaryAnswer {
  readonly kpis: Readonly<Record<string, Summed>>;
  readonly currencies: readonly {
    readonly currency: string;
    readonly kpis: Readonly<Record<string, Summed>>;
  }[];
  readonly incomplete?: boolean;
  readonly meta: AnswerMeta;
}

export interface Summed {
  readonly current: number | null;
  readonly previous: number | null;
  readonly delta_pct: number | null;
}
