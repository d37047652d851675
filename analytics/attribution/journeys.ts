import type { EntityRows, RowTable, RowTest } from '../entity-rows/index.ts';
import type { RowMoney } from '../exchange/index.ts';
import { CODE, HASH, MARK, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import type { Touch } from './weights.ts';

/** A conversion with the touches that led to it, in order of time. */
export interface Journey {
  readonly touches: readonly Touch[];
  /** undefined: it ended without one. */
  readonly conversion:
    | { readonly time_ms: number; readonly value: number; readonly isNewCustomer: boolean }
    | undefined;
}

/** What a journey is made from. */
export interface JourneyRules {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly lookback_ms: number;
  /** Less discounts and refunds. */
  readonly isNet: boolean;
  /** Columns of the groups' dimensions among those that are carried. */
  readonly groupColumns: number;
  /** The number of a group, by the codes of its dimensions. */
  readonly keyOf: (codes: Int32Array) => number;
  /** Codes of the channel `direct` and of none. */
  readonly isDirectChannel: (code: number) => boolean;
}

const BIT = { touch: 1, order: 2, reported: 4, refund: 8, newCustomer: 16 } as const;

/** Columns that `EntityRows` carries for journeys: the groups' dimensions, then these. */
export function journeyColumns(groups: readonly number[]) {
  const dimension = (name: 'channel' | 'campaign'): number => CODE.dimensions + ROW_DIMENSIONS.indexOf(name);
  return {
    codes: [...groups, CODE.currency, dimension('channel'), dimension('campaign')],
    numbers: [NUMBER.amount, NUMBER.discount],
    hashes: [HASH.order],
  };
}

/** Rows that journeys are made of. `filters` are on the orders that are reported; every order ends a journey. */
export function journeyTests(isTouchType: (code: number) => boolean, filters: RowTest): readonly RowTest[] {
  const marked = (mark: number): RowTest => [{ code: CODE.marks, accepts: (marks) => (marks & mark) !== 0 }];
  return [
    [{ code: CODE.type, accepts: isTouchType }],
    marked(MARK.orders),
    [...marked(MARK.orders), ...filters],
    marked(MARK.refund),
    marked(MARK.customers_new),
  ];
}

/**
 * The journeys of each entity: those that end with an order in the range, and the last one, which has touches in the
 * range and no order yet. A journey's touches come after the order before it, no longer than the lookback before
 * its own; a touch at the time of an order comes before it.
 */
export function visitJourneys(
  rows: EntityRows,
  rules: JourneyRules,
  money: RowMoney,
  visit: (journey: Journey) => void,
  check: () => void,
): void {
  const tuple = new Int32Array(rules.groupColumns);
  rows.visit((table, order, from, to) => {
    const refunds = rules.isNet ? refundsOf(table, order, from, to) : undefined;
    let touches: Touch[] = [];
    for (let at = from; at < to; ) {
      let end = at;
      const time_ms = table.time_ms[order[at] as number] as number;
      // Touches of one time come first, whatever the ids of the events are.
      while (end < to && table.time_ms[order[end] as number] === time_ms) end++;
      for (let place = at; place < end && time_ms < rules.end_ms; place++) {
        const row = order[place] as number;
        if (((table.bits[row] as number) & BIT.touch) !== 0)
          touches.push(touchOf(table, row, time_ms, rules, tuple));
      }
      for (let place = at; place < end && time_ms < rules.end_ms; place++) {
        const row = order[place] as number;
        const bits = table.bits[row] as number;
        if ((bits & BIT.order) === 0) continue;
        const first_ms = time_ms - rules.lookback_ms;
        const counted = touches.filter((touch) => touch.time_ms >= first_ms);
        touches = [];
        if ((bits & BIT.reported) === 0 || time_ms < rules.start_ms) continue;
        const value = valueOfOrder(table, row, refunds, money);
        const isNewCustomer = (bits & BIT.newCustomer) !== 0;
        visit({ touches: counted, conversion: { time_ms, value, isNewCustomer } });
      }
      at = end;
    }
    const open = touches.filter(({ time_ms }) => time_ms >= rules.start_ms);
    if (open.length > 0) visit({ touches: open, conversion: undefined });
  }, check);
}

function touchOf(
  { codes }: RowTable,
  row: number,
  time_ms: number,
  { groupColumns, keyOf, isDirectChannel }: JourneyRules,
  tuple: Int32Array,
): Touch {
  for (let column = 0; column < groupColumns; column++)
    tuple[column] = (codes[column] as Int32Array)[row] as number;
  const [, channel, campaign] = codes.slice(groupColumns) as [Int32Array, Int32Array, Int32Array];
  const isDirect = campaign[row] === 0 && isDirectChannel(channel[row] as number);
  return { time_ms, key: keyOf(tuple), isDirect };
}

/** Rows of refunds by their order. */
function refundsOf(
  table: RowTable,
  order: Uint32Array,
  from: number,
  to: number,
): ReadonlyMap<string, readonly number[]> {
  const refunds = new Map<string, number[]>();
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    const name = orderOf(table, row);
    if (((table.bits[row] as number) & BIT.refund) === 0 || name === undefined) continue;
    const known = refunds.get(name);
    if (known === undefined) refunds.set(name, [row]);
    else known.push(row);
  }
  return refunds;
}

function orderOf({ hashes }: RowTable, row: number): string | undefined {
  const [{ hi, lo }] = hashes as [{ hi: Int32Array; lo: Int32Array }];
  return ((hi[row] as number) | (lo[row] as number)) === 0 ? undefined : `${hi[row]}/${lo[row]}`;
}

function valueOfOrder(
  table: RowTable,
  row: number,
  refunds: ReadonlyMap<string, readonly number[]> | undefined,
  money: RowMoney,
): number {
  const [amount, discount] = table.numbers as [Float64Array, Float64Array];
  const currency = table.codes.at(-3) as Int32Array;
  const add = (of: number, value: number): void =>
    money.add(currency[of] as number, table.time_ms[of] as number, value);
  add(row, amount[row] as number);
  if (refunds !== undefined) {
    add(row, -(discount[row] as number));
    for (const refund of refunds.get(orderOf(table, row) ?? '') ?? [])
      add(refund, -(amount[refund] as number));
  }
  return money.take();
}
