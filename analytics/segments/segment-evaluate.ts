import { RowTable, type RowTest } from '../entity-rows/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { RowMoney } from '../exchange/index.ts';
import { eventConditions, type LogTexts } from '../filters/index.ts';
import { DAY_MS } from '../query/index.ts';
import { CODE, MARK, NUMBER } from '../rows/index.ts';
import {
  compares,
  momentMs,
  type NumberRule,
  type SegmentRule,
  spanMs,
  type TimeRule,
} from './segment-rule.ts';

/** Columns that `EntityRows` carries for rules, in this order. */
export const RULE_COLUMNS = { codes: [CODE.currency], numbers: [NUMBER.amount, NUMBER.discount] } as const;

/** A customer without rows. */
const NOBODY: Customer = {
  table: new RowTable({ ...RULE_COLUMNS, hashes: [], derived: [], loners: false }),
  ...{ order: new Uint32Array(0), from: 0, to: 0 },
};

const ORDER_BIT = 1;
const REFUND_BIT = 2;

/** The rows of one customer, by time. */
interface Customer {
  readonly table: RowTable;
  readonly order: Uint32Array;
  readonly from: number;
  readonly to: number;
}

type Matcher = (customer: Customer) => boolean;

/** A rule with what it needs to be told of rows. */
export interface CompiledRule {
  readonly tests: readonly RowTest[];
  /** Of the events that it looks at; undefined: of all. */
  readonly types: readonly string[] | undefined;
  readonly matches: (table: RowTable, order: Uint32Array, from: number, to: number) => boolean;
}

/** A rule for the state at `end_ms`, whose rows all lie before it. */
export function compileRule(
  rule: SegmentRule,
  end_ms: number,
  texts: Pick<LogTexts, 'textOf'>,
  custom: readonly string[],
  money: RowMoney,
): CompiledRule {
  const marked = (mark: number): RowTest => [{ code: CODE.marks, accepts: (marks) => (marks & mark) !== 0 }];
  const tests: RowTest[] = [marked(MARK.orders), marked(MARK.refund)];
  const types = new Set<string>(['order.created', 'refund.issued']);
  const compile = (part: SegmentRule): Matcher => {
    if ('and' in part) {
      const all = part.and.map(compile);
      return (customer) => all.every((matches) => matches(customer));
    }
    if ('or' in part) {
      const any = part.or.map(compile);
      return (customer) => any.some((matches) => matches(customer));
    }
    if ('not' in part) {
      const inner = compile(part.not);
      return (customer) => !inner(customer);
    }
    if ('event' in part) {
      types.add(part.event);
      const bit = 1 << (tests.push(eventConditions(part, custom, texts)) - 1);
      const from_ms = startOf(part.within, end_ms);
      const { event: _, filters: __, within: ___, ...sides } = part;
      const rule = Object.keys(sides).length === 0 ? { gte: 1 } : sides;
      return (customer) => compares(countOf(customer, bit, from_ms), rule);
    }
    if ('order' in part) {
      const { filters } = part;
      const bit = 1 << (tests.push(eventConditions({ event: 'order.created', filters }, custom, texts)) - 1);
      return (customer) => {
        const row = orderRow(customer, part.order);
        return row !== undefined && ((customer.table.bits[row] as number) & bit) !== 0;
      };
    }
    if (isTimeRule(part)) {
      const which = part.measure === 'first_order' ? 'first' : 'last';
      return (customer) => {
        const row = orderRow(customer, which);
        const time_ms = row === undefined ? undefined : customer.table.time_ms[row];
        return compares(time_ms, part, (given) => momentMs(String(given), end_ms));
      };
    }
    const from_ms = startOf(part.within, end_ms);
    return (customer) => compares(measureOf(part, customer, from_ms, end_ms, money), part);
  };
  const matcher = compile(rule);
  // Who has none of the rows that the rule looks at may be in it too: then every customer is looked at.
  const isOfAll = matcher(NOBODY);
  if (isOfAll) tests.push([]);
  return {
    ...{ tests, types: isOfAll ? undefined : [...types] },
    matches: (table, order, from, to) => matcher({ table, order, from, to }),
  };
}

function isTimeRule(rule: NumberRule | TimeRule): rule is TimeRule {
  return rule.measure === 'first_order' || rule.measure === 'last_order';
}

const startOf = (within: string | undefined, end_ms: number): number =>
  within === undefined ? Number.NEGATIVE_INFINITY : end_ms - spanMs(within);

function countOf({ table, order, from, to }: Customer, bit: number, from_ms: number): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    if (((table.bits[row] as number) & bit) !== 0 && (table.time_ms[row] as number) >= from_ms) count++;
  }
  return count;
}

/** The row of the first or the last order. */
function orderRow({ table, order, from, to }: Customer, which: 'first' | 'last'): number | undefined {
  for (let step = 0; step < to - from; step++) {
    const row = order[which === 'first' ? from + step : to - 1 - step] as number;
    if (((table.bits[row] as number) & ORDER_BIT) !== 0) return row;
  }
  return undefined;
}

/** Events that may name the customer: an order mostly does, where a refund has its customer from its order. */
export function namingPlaces(
  table: RowTable,
  order: Uint32Array,
  from: number,
  to: number,
): readonly EventPlace[] {
  const rows = [orderRow({ table, order, from, to }, 'last'), order[to - 1], order[from]];
  return [...new Set(rows)].flatMap((row) => (row === undefined ? [] : table.placesOf(row)));
}

/** undefined: there is none, as the mean of no orders. */
function measureOf(
  { measure }: NumberRule,
  customer: Customer,
  from_ms: number,
  end_ms: number,
  money: RowMoney,
): number | undefined {
  switch (measure) {
    case 'orders':
      return countOf(customer, ORDER_BIT, from_ms);
    case 'days_since_last_order': {
      const row = orderRow(customer, 'last');
      const time_ms = row === undefined ? undefined : (customer.table.time_ms[row] as number);
      return time_ms === undefined || time_ms < from_ms ? undefined : Math.floor((end_ms - time_ms) / DAY_MS);
    }
    case 'aov': {
      const orders = countOf(customer, ORDER_BIT, from_ms);
      return orders === 0 ? undefined : moneyOf(customer, from_ms, money, { amount: 1 }) / orders;
    }
    case 'spend_gross':
      return moneyOf(customer, from_ms, money, { amount: 1 });
    case 'refunds':
      return moneyOf(customer, from_ms, money, { refund: 1 });
    case 'spend_net':
      return moneyOf(customer, from_ms, money, { amount: 1, discount: -1, refund: -1 });
  }
}

/** The sum of what has a sign. */
function moneyOf(
  { table, order, from, to }: Customer,
  from_ms: number,
  money: RowMoney,
  signs: { readonly amount?: number; readonly discount?: number; readonly refund?: number },
): number {
  const [currency] = table.codes as [Int32Array];
  const [amount, discount] = table.numbers as [Float64Array, Float64Array];
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    const time_ms = table.time_ms[row] as number;
    if (time_ms < from_ms) continue;
    const bits = table.bits[row] as number;
    const add = (sign: number | undefined, value: number | undefined): void => {
      if (sign !== undefined) money.add(currency[row] as number, time_ms, sign * (value as number));
    };
    if ((bits & ORDER_BIT) !== 0) {
      add(signs.amount, amount[row]);
      add(signs.discount, discount[row]);
    }
    if ((bits & REFUND_BIT) !== 0) add(signs.refund, amount[row]);
  }
  return money.take();
}
