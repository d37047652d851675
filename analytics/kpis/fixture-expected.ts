import type { Oracle, OracleCell, OracleCount } from './fixture-oracle.ts';
import type { KpiQuery } from './schema.ts';

/** A rate as it was announced: units of quote for one of base. */
export interface TestRate {
  readonly base: string;
  readonly quote: string;
  readonly at: string;
  readonly rate: string;
}

type Value = number | bigint | null;
type Sum = (measure: string) => bigint;

export interface ExpectedGroup {
  readonly buckets: ReadonlyMap<number, Readonly<Record<string, Value>>>;
  readonly totals: Readonly<Record<string, Value>>;
}

export interface Expected {
  /** By key, as JSON. */
  readonly groups: ReadonlyMap<string, ExpectedGroup>;
  readonly empty: Readonly<Record<string, Value>>;
}

const ratio = (above: bigint, below: bigint, by = 1): Value =>
  below === 0n ? null : Number(above) / (Number(below) * by);

/** The contract's metrics, said again. */
const METRICS: Readonly<
  Record<string, { readonly needs: readonly string[]; readonly of: (s: Sum) => Value }>
> = {
  ...Object.fromEntries(
    Object.entries({
      orders_count: 'orders',
      orders_paid: 'orders_paid',
      orders_shipped: 'orders_shipped',
      orders_delivered: 'orders_delivered',
      orders_cancelled: 'orders_cancelled',
      orders_rto: 'orders_rto',
      revenue_gross: 'revenue_gross',
      revenue: 'revenue_gross',
      revenue_paid: 'revenue_paid',
      discount_total: 'discount',
      shipping_total: 'shipping',
      tax_total: 'tax',
      refund_amount: 'refund',
      revenue_cancelled: 'revenue_cancelled',
      returns_count: 'returns',
      visits: 'visits',
      sessions: 'sessions',
      units_sold: 'units',
      customers_new: 'customers_new',
    }).map(([name, measure]) => [name, { needs: [measure], of: (s: Sum): Value => s(measure) }]),
  ),
  revenue_net: {
    needs: ['revenue_gross', 'discount', 'refund'],
    of: (s) => s('revenue_gross') - s('discount') - s('refund'),
  },
  aov: {
    needs: ['revenue_gross', 'discount', 'orders'],
    of: (s) => ratio(s('revenue_gross') - s('discount'), s('orders')),
  },
  refund_rate: { needs: ['refund', 'revenue_gross'], of: (s) => ratio(s('refund'), s('revenue_gross')) },
  refunded_orders_rate: {
    needs: ['orders_refunded', 'orders'],
    of: (s) => ratio(s('orders_refunded'), s('orders')),
  },
  days_to_ship_avg: {
    needs: ['ship_ms', 'ship_count'],
    of: (s) => ratio(s('ship_ms'), s('ship_count'), 86_400_000),
  },
  conversion_rate: { needs: ['orders', 'sessions'], of: (s) => ratio(s('orders'), s('sessions')) },
  cart_abandonment_rate: {
    needs: ['sessions_with_order', 'sessions_with_cart'],
    of: (s) => ratio(s('sessions_with_cart') - s('sessions_with_order'), s('sessions_with_cart')),
  },
  time_to_first_response: {
    needs: ['response_ms', 'response_count'],
    of: (s) => ratio(s('response_ms'), s('response_count'), 1_000),
  },
};
const MONEY = [
  ...['revenue_gross', 'revenue_paid', 'refund', 'discount', 'shipping', 'tax', 'revenue_cancelled'],
];
const DISTINCT = 'customers_active';
export const METRICS_KNOWN = [...Object.keys(METRICS), DISTINCT];
const PERCENT: Readonly<Record<string, bigint>> = { p50: 50n, p90: 90n, p99: 99n };

const isMonetary = (name: string): boolean =>
  METRICS[name]?.needs.some((need) => MONEY.includes(need)) ?? false;

/** What a query should answer, made of what DuckDB finds. */
export async function expectedOf(
  oracle: Oracle,
  query: KpiQuery,
  upTo: number | undefined,
  rates: readonly TestRate[],
): Promise<Expected> {
  const cells = await oracle.sums(query, upTo);
  const customers = query.metrics.includes(DISTINCT) ? await oracle.customers(query, upTo) : [];
  const spread = !['sum', 'avg', 'count'].includes(query.aggregation);
  const amounts: (readonly [string, readonly OracleCount[]])[] = [];
  for (const name of spread ? query.metrics : []) {
    amounts.push([name, await oracle.amounts(query, upTo, METRICS[name]?.needs[0] ?? '')]);
  }
  return new Assembly(query, new Slice(cells, customers, amounts), rates).expected();
}

type Place = Omit<OracleCell, 'sums'>;

/** What DuckDB found, or some of it. */
class Slice {
  readonly cells: readonly OracleCell[];
  readonly customers: readonly OracleCount[];
  /** By metric. */
  readonly amounts: readonly (readonly [string, readonly OracleCount[]])[];

  constructor(
    cells: readonly OracleCell[],
    customers: readonly OracleCount[],
    amounts: readonly (readonly [string, readonly OracleCount[]])[],
  ) {
    this.cells = cells;
    this.customers = customers;
    this.amounts = amounts;
  }

  /** Its parts by a text of each. */
  by(idOf: (place: Place) => string): Map<string, Slice> {
    const cells = partition(this.cells, idOf);
    const customers = partition(this.customers, idOf);
    const amounts = this.amounts.map(([name, all]) => [name, partition(all, idOf)] as const);
    const ids = new Set([
      ...cells.keys(),
      ...customers.keys(),
      ...amounts.flatMap(([, each]) => [...each.keys()]),
    ]);
    const sliceOf = (id: string): Slice =>
      new Slice(
        cells.get(id) ?? [],
        customers.get(id) ?? [],
        amounts.map(([name, each]) => [name, each.get(id) ?? []]),
      );
    return new Map([...ids].map((id) => [id, sliceOf(id)]));
  }

  get places(): readonly Place[] {
    return [...this.cells, ...this.customers, ...this.amounts.flatMap(([, all]) => all)];
  }
}

function partition<T extends Place>(all: readonly T[], idOf: (place: Place) => string): Map<string, T[]> {
  const parts = new Map<string, T[]>();
  for (const each of all) {
    const id = idOf(each);
    const part = parts.get(id);
    if (part === undefined) parts.set(id, [each]);
    else part.push(each);
  }
  return parts;
}

const NOTHING = new Slice([], [], []);

class Assembly {
  readonly #query: KpiQuery;
  readonly #all: Slice;
  readonly #rates: readonly TestRate[];
  readonly #monetary: boolean;

  constructor(query: KpiQuery, all: Slice, rates: readonly TestRate[]) {
    this.#query = query;
    this.#all = all;
    this.#rates = rates;
    this.#monetary = query.metrics.some(isMonetary);
  }

  expected(): Expected {
    const { group_by: groupBy, currency } = this.#query;
    const groups = new Map<string, ExpectedGroup>();
    const found = [...this.#all.by(({ key }) => JSON.stringify(key))].map(([id, slice]) => ({
      values: JSON.parse(id) as string[],
      slice,
      units: this.#monetary ? this.#unitsOf(slice) : [],
    }));
    const several = new Set(found.flatMap(({ units }) => units)).size > 1;
    const split = this.#monetary && currency === undefined && several && !groupBy.includes('currency');
    for (const { values, slice, units } of found) {
      if (!this.#isActive(slice)) continue;
      const named = Object.fromEntries(groupBy.map((name, at) => [name, values[at] || null]));
      if (!split) groups.set(JSON.stringify(named), this.#group(slice, slice));
      else if (units.length < 2)
        groups.set(JSON.stringify({ ...named, currency: units[0] || null }), this.#group(slice, slice));
      else
        for (const unit of units) {
          const name = JSON.stringify({ ...named, currency: unit || null });
          groups.set(name, this.#group(slice, slice.by((place) => place.unit).get(unit) ?? NOTHING));
        }
    }
    const empty = this.#values(NOTHING, NOTHING);
    if (groups.size === 0 && groupBy.length === 0) groups.set('{}', { buckets: new Map(), totals: empty });
    return { groups, empty };
  }

  /** What is looked at alone: a bucket; of one currency and UTC day where money is, or is converted. */
  #slots(slice: Slice): Slice[] {
    const isConverted = this.#query.currency !== undefined && this.#monetary;
    return [
      ...slice
        .by(({ unit, bucket_ms, day }) =>
          JSON.stringify([bucket_ms, this.#monetary ? unit : '', isConverted ? day : 0]),
        )
        .values(),
    ];
  }

  /** Whether anything that is asked for is not nothing. */
  #isActive(slice: Slice): boolean {
    const needed = this.#needed(this.#query.metrics);
    return this.#slots(slice).some(
      (slot) =>
        needed.some((need) => plain(need, slot) !== 0n) || hasAmounts(slot) || countCustomers(slot) > 0,
    );
  }

  #unitsOf(slice: Slice): string[] {
    const needed = this.#needed(this.#query.metrics.filter(isMonetary));
    return [...slice.by(({ unit }) => unit)].flatMap(([unit, own]) => {
      const asked = unit === '' ? needed.filter((need) => MONEY.includes(need.slice(2))) : needed;
      const counts = this.#slots(own).some(
        (slot) => asked.some((need) => plain(need, slot) !== 0n) || hasAmounts(slot),
      );
      return counts ? [unit] : [];
    });
  }

  #needed(metrics: readonly string[]): string[] {
    const needs = metrics.flatMap((name) => METRICS[name]?.needs ?? []);
    const { aggregation } = this.#query;
    return [
      ...(aggregation === 'sum' || aggregation === 'avg' ? needs.map((need) => `m_${need}`) : []),
      ...(aggregation === 'count' || aggregation === 'avg' ? needs.map((need) => `n_${need}`) : []),
    ];
  }

  #group(whole: Slice, money: Slice): ExpectedGroup {
    const moneyBy = money.by(({ bucket_ms }) => String(bucket_ms));
    const buckets = [...whole.by(({ bucket_ms }) => String(bucket_ms))].map(
      ([time, slice]) => [Number(time), this.#values(slice, moneyBy.get(time) ?? NOTHING)] as const,
    );
    return { buckets: new Map(buckets), totals: this.#values(whole, money) };
  }

  #values(whole: Slice, money: Slice): Record<string, Value> {
    return Object.fromEntries(
      this.#query.metrics.map((name) => [name, small(this.#value(name, isMonetary(name) ? money : whole))]),
    );
  }

  #value(name: string, slice: Slice): Value {
    if (name === DISTINCT) return countCustomers(slice);
    const need = METRICS[name]?.needs[0] ?? '';
    const { aggregation } = this.#query;
    if (aggregation === 'count') return plain(`n_${need}`, slice);
    if (aggregation === 'avg') return ratio(this.#money(need, slice), plain(`n_${need}`, slice));
    if (aggregation !== 'sum') return this.#ofAmounts(name, slice);
    const of = METRICS[name]?.of;
    const sum = (measure: string): bigint =>
      MONEY.includes(measure) ? this.#money(measure, slice) : plain(`m_${measure}`, slice);
    return of === undefined ? null : of(sum);
  }

  #ofAmounts(name: string, slice: Slice): Value {
    const { aggregation } = this.#query;
    const all = slice.amounts.find(([each]) => each === name)?.[1] ?? [];
    const values: bigint[] = [];
    for (const [id, net] of netOf(all, ({ value, unit, day }) => JSON.stringify([value, unit, day]))) {
      const [value, unit, day] = JSON.parse(id) as [string, string, number];
      const [above, below] = net > 0 ? this.#rate(unit, day) : [1n, 1n];
      for (let n = 0; n < net; n++) values.push(round(BigInt(value) * above, below));
    }
    values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    if (values.length === 0) return null;
    if (aggregation === 'min') return values[0] ?? null;
    if (aggregation === 'max') return values.at(-1) ?? null;
    const rank = (BigInt(values.length) * (PERCENT[aggregation] ?? 0n) + 99n) / 100n;
    return values[Number(rank) - 1] ?? null;
  }

  #money(measure: string, slice: Slice): bigint {
    if (this.#query.currency === undefined) return plain(`m_${measure}`, slice);
    let [above, below] = [0n, 1n];
    for (const [id, part] of slice.by(({ unit, day }) => JSON.stringify([unit, day]))) {
      const sum = plain(`m_${measure}`, part);
      if (sum === 0n) continue;
      const [n, d] = this.#rate(...(JSON.parse(id) as [string, number]));
      [above, below] = [above * d + sum * n * below, below * d];
    }
    return round(above, below);
  }

  #rate(unit: string, day: number): readonly [bigint, bigint] {
    const target = this.#query.currency;
    if (target === undefined || unit === target) return [1n, 1n];
    const end = (day + 1) * 86_400_000;
    const newest = this.#rates
      .filter(({ base, quote: to, at }) => {
        const isPair = (base === unit && to === target) || (base === target && to === unit);
        return isPair && Date.parse(at) < end;
      })
      .sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || (a.base === unit ? -1 : 1))[0];
    if (newest === undefined) throw new Error(`there is no rate of ${unit} to ${target} on day ${day}`);
    const [whole = '', fraction = ''] = newest.rate.split('.');
    const pair = [BigInt(whole + fraction), 10n ** BigInt(fraction.length)] as const;
    const [n, d] = newest.base === unit ? pair : [pair[1], pair[0]];
    const digits = (currency: string): bigint => (currency === 'JPY' ? 0n : 2n);
    return [n * 10n ** digits(target), d * 10n ** digits(unit)];
  }
}

function plain(column: string, { cells }: Slice): bigint {
  return cells.reduce((sum, { sums }) => sum + (sums[column] ?? 0n), 0n);
}

function netOf(counts: readonly OracleCount[], idOf: (count: OracleCount) => string): Map<string, number> {
  const nets = new Map<string, number>();
  for (const each of counts) nets.set(idOf(each), (nets.get(idOf(each)) ?? 0) + each.net);
  return nets;
}

function hasAmounts({ amounts }: Slice): boolean {
  return amounts.some(([, all]) => [...netOf(all, ({ value }) => value).values()].some((net) => net > 0));
}

function countCustomers({ customers }: Slice): number {
  return [...netOf(customers, ({ value }) => value).values()].filter((net) => net > 0).length;
}

function round(above: bigint, below: bigint): bigint {
  const magnitude = ((above < 0n ? -above : above) * 2n + below) / (2n * below);
  return above < 0n ? -magnitude : magnitude;
}

function small(value: Value): Value {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
