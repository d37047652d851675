import { type RatesByCurrency, RowMoney } from '../exchange/index.ts';
import { DAY_MS } from '../query/index.ts';
import { ratio, type Tally } from '../returns/index.ts';
import type { OutcomesQuery } from './outcomes-schema.ts';

/** How orders are told apart, beside `group_by`. */
export const VIEWS = ['all', 'status', 'payment', 'kind'] as const;
/** The sums of a tally, in their order. */
export const SUMS = ['orders', 'shipped', 'delivered', 'cancelled', 'rto', 'gross', 'discount'] as const;
const [GROSS, DISCOUNT] = [SUMS.indexOf('gross'), SUMS.indexOf('discount')];

type Key = readonly [view: string, value: string, currency: string, day: number];

/** What became of some orders; money in minor units. */
export interface Outcome {
  readonly orders: number;
  readonly shipped: number;
  readonly delivered: number;
  readonly cancelled: number;
  readonly rto: number;
  readonly gross: number;
  readonly discount: number;
  /** delivered ÷ orders, and so on */
  readonly delivery_rate: number | null;
  readonly cancellation_rate: number | null;
  readonly rto_rate: number | null;
}

/** The members of an answer. Throws QueryError `currency_required`, `fx_rate_missing`, `amount_too_large`. */
export function outcomesBody(
  tallies: readonly Tally[],
  { currency: target, group_by, limit }: OutcomesQuery,
  rates: RatesByCurrency,
): Readonly<Record<string, unknown>> {
  const names = [...new Set(tallies.map(({ key }) => (key as Key)[2]))].sort();
  const money = new RowMoney(target, rates, {
    textOf: (code) => names[code] ?? '',
    find: (text) => names.indexOf(text),
  });
  const groups = new Map<string, Tally[]>();
  for (const tally of tallies) {
    const [view, value] = tally.key as Key;
    const id = JSON.stringify([view, value]);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [tally]);
    else group.push(tally);
  }
  const outcomes = [...groups].map(([id, group]) => {
    const [view = '', value = ''] = JSON.parse(id) as string[];
    return { view, value, outcome: outcomeOf(group, money, names) };
  });
  const of = (view: string) =>
    outcomes
      .filter((one) => one.view === view)
      .sort((a, b) => b.outcome.orders - a.outcome.orders || (a.value < b.value ? -1 : 1));
  const totals = of('all')[0]?.outcome ?? outcomeOf([], money, names);
  const listed = (view: string, member: string) =>
    of(view).map(({ value, outcome }) => ({
      ...{ [member]: value, ...outcome },
      share: ratio(outcome.orders, totals.orders),
    }));
  const statuses = listed('status', 'status');
  const grouped = of('group');
  const { currency } = money;
  return {
    ...(currency === undefined ? {} : { currency }),
    totals,
    statuses_total: statuses.length,
    statuses: statuses.slice(0, limit),
    payment_statuses: listed('payment', 'payment_status'),
    payment_kinds: listed('kind', 'payment_kind'),
    ...(group_by.length === 0
      ? {}
      : {
          groups_total: grouped.length,
          groups: grouped.slice(0, limit).map(({ value, outcome }) => {
            const values = JSON.parse(value) as string[];
            return {
              key: Object.fromEntries(group_by.map((name, at) => [name, values[at] || null])),
              ...outcome,
            };
          }),
        }),
  };
}

function outcomeOf(group: readonly Tally[], money: RowMoney, names: readonly string[]): Outcome {
  const count = (name: (typeof SUMS)[number]): number =>
    group.reduce((sum, { sums }) => sum + (sums[SUMS.indexOf(name)] as number), 0);
  const sum = (at: number): number => {
    for (const { key, sums } of group) {
      const [, , currency, day] = key as Key;
      money.add(names.indexOf(currency), day * DAY_MS, sums[at] as number);
    }
    return money.take();
  };
  const [orders, delivered, cancelled, rto] = [
    count('orders'),
    count('delivered'),
    count('cancelled'),
    count('rto'),
  ];
  return {
    ...{ orders, shipped: count('shipped'), delivered, cancelled, rto },
    ...{ gross: sum(GROSS), discount: sum(DISCOUNT) },
    delivery_rate: ratio(delivered, orders),
    cancellation_rate: ratio(cancelled, orders),
    rto_rate: ratio(rto, orders),
  };
}
