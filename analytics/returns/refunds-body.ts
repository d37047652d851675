import { type RatesByCurrency, RowMoney } from '../exchange/index.ts';
import { DAY_MS, formatUtc, type TimeRange } from '../query/index.ts';
import type { RefundsQuery } from './refunds-schema.ts';
import { ratio, type Tally } from './tallies.ts';

/** What refunds did to the revenue of some orders and events; money in minor units. */
export interface Impact {
  readonly orders: number;
  readonly gross: number;
  readonly discount: number;
  readonly refund_events: number;
  readonly refunds: number;
  /** gross − discount − refunds */
  readonly net: number;
  /** refunds ÷ gross */
  readonly refund_rate: number | null;
}

type Key = readonly [view: number, value: string, period: number, currency: string, day: number];

/** The members of an answer. Throws QueryError `currency_required`, `fx_rate_missing`, `amount_too_large`. */
export function refundsBody(
  parts: readonly (readonly Tally[])[],
  query: RefundsQuery,
  periods: readonly TimeRange[],
  rates: RatesByCurrency,
): Readonly<Record<string, unknown>> {
  const { impacts, currency } = impactsOf(parts.flat(), query, rates);
  const of = (view: number, value: string, period: number): Impact =>
    impacts.get(JSON.stringify([view, value, period])) ?? NONE;
  const [, before] = periods;
  const total = of(0, '', 0);
  const earlier = of(0, '', 1);
  return {
    basis: query.basis,
    ...(currency === undefined ? {} : { currency }),
    totals: total,
    ...(before === undefined
      ? {}
      : {
          compared: {
            range: { start: formatUtc(before.start_ms), end: formatUtc(before.end_ms) },
            ...beside(total, earlier),
          },
        }),
    drivers: Object.fromEntries(
      query.drivers.map((driver, at) => {
        const values = valuesOf(impacts, at + 1);
        const listed = values
          .map((value) => {
            const now = of(at + 1, value, 0);
            return {
              ...{ value: value === '' ? null : value, ...now },
              share_of_refunds: ratio(now.refunds, total.refunds),
              contribution: ratio(now.refunds, total.gross),
              ...(before === undefined ? {} : { compared: beside(now, of(at + 1, value, 1)) }),
            };
          })
          .sort(
            (a, b) => b.refunds - a.refunds || b.gross - a.gross || (`${a.value}` < `${b.value}` ? -1 : 1),
          );
        const values_total = listed.length;
        const truncated = values_total > query.limit;
        return [driver, { values_total, truncated, values: listed.slice(0, query.limit) }];
      }),
    ),
  };
}

function beside(now: Impact, previous: Impact): object {
  return {
    previous,
    delta: {
      ...{ gross: now.gross - previous.gross, refunds: now.refunds - previous.refunds },
      ...{ net: now.net - previous.net },
      refund_rate:
        now.refund_rate === null || previous.refund_rate === null
          ? null
          : now.refund_rate - previous.refund_rate,
    },
  };
}

function impactsOf(
  tallies: readonly Tally[],
  { currency: target }: RefundsQuery,
  rates: RatesByCurrency,
): { readonly impacts: ReadonlyMap<string, Impact>; readonly currency: string | undefined } {
  const names = [...new Set(tallies.map(({ key }) => (key as Key)[3]))].sort();
  const money = new RowMoney(target, rates, {
    textOf: (code) => names[code] ?? '',
    find: (text) => names.indexOf(text),
  });
  const groups = new Map<string, Tally[]>();
  for (const tally of tallies) {
    const [view, value, period] = tally.key as Key;
    const id = JSON.stringify([view, value, period]);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [tally]);
    else group.push(tally);
  }
  const impacts = new Map<string, Impact>();
  for (const [id, group] of groups) {
    const count = (at: number): number => group.reduce((sum, { sums }) => sum + (sums[at] as number), 0);
    const sum = (at: number): number => {
      for (const { key, sums } of group) {
        const [, , , currency, day] = key as Key;
        money.add(names.indexOf(currency), day * DAY_MS, sums[at] as number);
      }
      return money.take();
    };
    const [gross, discount, refunds] = [sum(1), sum(2), sum(4)];
    const net = gross - discount - refunds;
    const refund_rate = ratio(refunds, gross);
    impacts.set(id, {
      orders: count(0),
      gross,
      discount,
      refund_events: count(3),
      refunds,
      net,
      refund_rate,
    });
  }
  return { impacts, currency: money.currency };
}

function valuesOf(impacts: ReadonlyMap<string, Impact>, view: number): string[] {
  const values = new Set<string>();
  for (const id of impacts.keys()) {
    const [of, value] = JSON.parse(id) as [number, string];
    if (of === view) values.add(value);
  }
  return [...values];
}

const NONE: Impact = {
  ...{ orders: 0, gross: 0, discount: 0, refund_events: 0, refunds: 0, net: 0, refund_rate: null },
};
