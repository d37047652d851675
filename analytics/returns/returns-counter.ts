import { bySegment, type LogTexts } from '../filters/index.ts';
import { QueryError, type TimeRange } from '../query/index.ts';
import type { OrderRow } from './order-scan.ts';
import type { ReturnsQuery } from './returns-schema.ts';
import type { RowGroups } from './row-groups.ts';
import { Tallies, type Tally } from './tallies.ts';

/** What a row of an order is: bit i of `bits` is the i-th. `sold`, `returned` and `requested` pass the filters. */
export const RETURN_BITS = ['order', 'sold', 'returned', 'requested', 'received', 'refund'] as const;
const [ORDER, SOLD, RETURNED, REQUESTED, RECEIVED, REFUND] = [1, 2, 4, 8, 16, 32] as const;

/** Different lengths of time of one query. */
const MAX_DURATIONS = 1_000_000;

/** What a part found. Plain data. */
export interface ReturnFindings {
  /** Key: view, values. Sums: orders, units sold, returns, units returned, orders with a return. */
  readonly tallies: readonly Tally[];
  /** [ms from a request to its end, how many]. */
  readonly received: readonly (readonly [ms: number, count: number])[];
  readonly refunded: readonly (readonly [ms: number, count: number])[];
  /** Requests that neither a receipt nor a refund follows. */
  readonly open: number;
}

/** How rows are told apart: the views, with the dimensions of each. */
export interface ReturnViews {
  readonly views: readonly RowGroups[];
  readonly names: readonly (readonly string[])[];
  readonly custom: readonly string[];
  readonly dictionary: LogTexts;
}

/** Counts what is sold and returned, order by order. */
export class ReturnCounter {
  readonly #query: ReturnsQuery;
  readonly #range: TimeRange;
  readonly #views: ReturnViews;
  readonly #tallies = new Tallies(5);
  readonly #received = new Map<number, number>();
  readonly #refunded = new Map<number, number>();
  #open = 0;

  constructor(query: ReturnsQuery, range: TimeRange, views: ReturnViews) {
    this.#query = query;
    this.#range = range;
    this.#views = views;
  }

  get findings(): ReturnFindings {
    return {
      tallies: this.#tallies.all,
      ...{ received: [...this.#received], refunded: [...this.#refunded], open: this.#open },
    };
  }

  /** The rows of one order, by time. */
  add(rows: readonly OrderRow[], isLoner: boolean): void {
    const order = isLoner ? undefined : rows.find(({ bits }) => (bits & ORDER) !== 0);
    const isIn = this.#query.basis === 'event' || (order !== undefined && this.#covers(order));
    const counts = (row: OrderRow): boolean =>
      this.#query.basis === 'event' || (row.bits & ORDER) !== 0 ? this.#covers(row) : isIn && !isLoner;
    const returning = new Set<string>();
    for (const row of rows) {
      if ((row.bits & (SOLD | RETURNED)) !== 0 && counts(row))
        this.#addRow(row, isLoner ? undefined : returning);
    }
    this.#addTimes(rows, isLoner, counts);
  }

  #covers({ time_ms }: OrderRow): boolean {
    return time_ms >= this.#range.start_ms && time_ms < this.#range.end_ms;
  }

  #addRow(row: OrderRow, returning: Set<string> | undefined): void {
    const { views, names, custom, dictionary } = this.#views;
    const isSold = (row.bits & SOLD) !== 0;
    const isReturn = (row.bits & RETURNED) !== 0;
    let from = 0;
    for (const [view, groups] of views.entries()) {
      const dimensions = names[view] as readonly string[];
      const own = row.codes.slice(from, from + dimensions.length);
      from += dimensions.length;
      for (const { values, units } of groups.of(own, row.items)) {
        const texts = values.map((value) => dictionary.textOf(value));
        for (const single of bySegment(texts, dimensions, custom)) {
          const key = [view, ...single];
          const id = JSON.stringify(key);
          // An order with several returns is one order with a return.
          const isFirst = isReturn && returning?.has(id) === false;
          if (isFirst) returning?.add(id);
          const sold = isSold ? [1, units] : [0, 0];
          this.#tallies.add(key, [...sold, ...(isReturn ? [1, units] : [0, 0]), isFirst ? 1 : 0]);
        }
      }
    }
  }

  /** Each request ends with the first receipt behind it that ended no other, else with such a refund. */
  #addTimes(rows: readonly OrderRow[], isLoner: boolean, counts: (row: OrderRow) => boolean): void {
    const requests = rows.filter((row) => (row.bits & REQUESTED) !== 0 && counts(row));
    if (requests.length === 0) return;
    // Without an order, nothing says what belongs together.
    const ends = (bit: number): OrderRow[] => (isLoner ? [] : rows.filter(({ bits }) => (bits & bit) !== 0));
    const unreceived = this.#match(requests, ends(RECEIVED), this.#received);
    this.#open += this.#match(unreceived, ends(REFUND), this.#refunded).length;
  }

  /** Returns the requests without an end. */
  #match(requests: readonly OrderRow[], ends: readonly OrderRow[], times: Map<number, number>): OrderRow[] {
    let next = 0;
    return requests.filter((request) => {
      while (next < ends.length && (ends[next] as OrderRow).time_ms < request.time_ms) next++;
      const end = ends[next++];
      if (end === undefined) return true;
      const ms = end.time_ms - request.time_ms;
      if (!times.has(ms) && times.size >= MAX_DURATIONS) throw tooManyTimes();
      times.set(ms, (times.get(ms) ?? 0) + 1);
      return false;
    });
  }
}

function tooManyTimes(): QueryError {
  const message = `Returns took more than ${MAX_DURATIONS} different lengths of time. Ask for a shorter range.`;
  return new QueryError('too_many_groups', message, [{ path: 'start', message }]);
}
