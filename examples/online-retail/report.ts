import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../engine/index.ts';
import type { RunningApp } from './app.ts';

/** A KPI query's body. */
export interface KpiBody {
  readonly metrics: readonly string[];
  readonly start: string;
  readonly end: string;
  readonly granularity?: string;
  readonly group_by?: readonly string[];
  readonly limit?: number;
  readonly force_fresh?: boolean;
  /** The answer as it was at that position, read of the log. */
  readonly as_of?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface KpiBucket {
  readonly time: string;
  readonly incomplete?: boolean;
  readonly [metric: string]: number | string | boolean | null | undefined;
}

/** What the example reads of an answer. */
export interface KpiReply {
  readonly groups: readonly {
    readonly key: Readonly<Record<string, string | null>>;
    readonly buckets: readonly KpiBucket[];
    readonly totals: Readonly<Record<string, number | null>>;
  }[];
  readonly groups_total: number;
  readonly currency?: string;
  readonly meta: {
    readonly watermark: string | null;
    readonly complete_until: string | null;
    readonly source: string;
    readonly lag_messages: number;
    readonly staleness_ms: number;
    readonly late_events: number;
    readonly position: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

const KPI_PATH = '/v1/order-analytics/kpis/query';
const APPLY_TIMEOUT_MS = 120_000;
const APPLY_PAUSE_MS = 20;

/** The whole months that hold both times, as a half-open range. */
export function monthsOf(first: string, last: string): { readonly start: string; readonly end: string } {
  const from = new Date(first);
  const to = new Date(last);
  const month = (date: Date, offset: number): string =>
    new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset)).toISOString().replace('.000', '');
  return { start: month(from, 0), end: month(to, 1) };
}

/** Revenue and orders by month and country of the months from `first` to `last`. */
export function revenueQuery(first: string, last: string): KpiBody {
  return {
    metrics: ['revenue_net', 'orders_count'],
    ...monthsOf(first, last),
    granularity: '1M',
    group_by: ['country'],
    limit: 1_000,
    force_fresh: true,
  };
}

/** The command that asks for the same. */
export function curlOf({ url, key }: Pick<RunningApp, 'url' | 'key'>, body: KpiBody): string {
  return [
    `curl -s '${url}${KPI_PATH}'`,
    `  -H 'Authorization: Bearer ${key}'`,
    `  -H 'Content-Type: application/json'`,
    `  -d '${JSON.stringify(body)}'`,
  ].join(' \\\n');
}

/**
 * Asks the API. `force_fresh` waits 10 s at most, so a query that comes while much is still to be
 * applied is asked again when the API says 503.
 */
export async function askKpis(
  { url, key }: Pick<RunningApp, 'url' | 'key'>,
  body: KpiBody,
): Promise<KpiReply> {
  const deadline_ms = performance.now() + APPLY_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(`${url}${KPI_PATH}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.ok) return (await response.json()) as KpiReply;
    const text = await response.text();
    if (response.status !== 503 || performance.now() > deadline_ms) {
      throw new MillraceError('query_failed', `The API answered ${response.status}: ${text}`);
    }
    await sleep(APPLY_PAUSE_MS);
  }
}

const POLL_MS = 100;

/** Waits until the state has applied the stream up to `sequence`, and tells how far it is. */
export async function untilApplied(
  app: Pick<RunningApp, 'url' | 'key'>,
  sequence: number,
  progress: (applied: number) => void,
): Promise<void> {
  const body: KpiBody = {
    metrics: ['orders_count'],
    start: '2011-01-01T00:00:00Z',
    end: '2011-01-02T00:00:00Z',
  };
  for (;;) {
    const { meta } = await askKpis(app, body);
    const applied = Math.min(sequence, meta.position.EVENTS?.['0'] ?? 0);
    progress(applied);
    if (applied >= sequence) return;
    await sleep(POLL_MS);
  }
}

const NUMBER_LOCALE = 'en-GB';
const TOP_COUNTRIES = 5;
const ALL = 'All countries';

/** Formats minor units of a currency. */
export function moneyFormat(currency: string): (minor: number) => string {
  const format = new Intl.NumberFormat(NUMBER_LOCALE, { style: 'currency', currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return (minor) => format.format(minor / 10 ** digits);
}

const numberFormat = new Intl.NumberFormat(NUMBER_LOCALE);
const monthFormat = new Intl.DateTimeFormat(NUMBER_LOCALE, {
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});

function cellOf(bucket: KpiBucket | undefined, metric: string): number {
  const value = bucket?.[metric];
  return typeof value === 'number' ? value : 0;
}

/** Net revenue of all groups and buckets, minor units. */
export function totalNet(reply: KpiReply): number {
  return reply.groups.reduce((sum, { totals }) => sum + (totals.revenue_net ?? 0), 0);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join('\n');
}

/** Months down, the countries with the most revenue across, then all others, all, and the orders. */
export function revenueTable(reply: KpiReply): string {
  const money = moneyFormat(reply.currency ?? 'GBP');
  const top = reply.groups.slice(0, TOP_COUNTRIES);
  const rest = reply.groups.slice(TOP_COUNTRIES);
  const months = reply.groups[0]?.buckets ?? [];
  const sum = (groups: KpiReply['groups'], index: number | undefined, metric: string): number =>
    groups.reduce(
      (total, { buckets, totals }) =>
        total + (index === undefined ? (totals[metric] ?? 0) : cellOf(buckets[index], metric)),
      0,
    );
  const row = (name: string, index: number | undefined): string[] => [
    name,
    ...top.map((group) => money(sum([group], index, 'revenue_net'))),
    ...(rest.length === 0 ? [] : [money(sum(rest, index, 'revenue_net'))]),
    money(sum(reply.groups, index, 'revenue_net')),
    numberFormat.format(sum(reply.groups, index, 'orders_count')),
  ];
  const header = [
    'Month',
    ...top.map(({ key }) => key.country ?? '(none)'),
    ...(rest.length === 0 ? [] : [`${rest.length} others`]),
    ALL,
    'Orders',
  ];
  return aligned([
    header,
    ...months.map((bucket, index) =>
      row(`${monthFormat.format(new Date(bucket.time))}${bucket.incomplete === true ? ' *' : ''}`, index),
    ),
    row('Total', undefined),
  ]);
}

/** What the answer says of itself. */
export function metaLines({ groups, meta }: KpiReply): string {
  const incomplete = groups[0]?.buckets.some((bucket) => bucket.incomplete === true) === true;
  return [
    `watermark ${meta.watermark ?? 'none'} · complete until ${meta.complete_until ?? 'none'} · from ${meta.source}`,
    `lag ${meta.lag_messages} messages · ${meta.staleness_ms} ms old · ${numberFormat.format(meta.late_events)} late events, all counted`,
    ...(incomplete ? ['* ends after the watermark: more may come'] : []),
  ].join('\n');
}
