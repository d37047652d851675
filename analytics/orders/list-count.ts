import type { Cancel, ScanPlan } from '../../engine/index.ts';
import { RowTests } from '../entity-rows/index.ts';
import type { Filters, LogTexts } from '../filters/index.ts';
import type { FamilySources } from '../query-head/index.ts';
import { type HashWords, marked, rowFilters } from '../returns/index.ts';
import { refineRange } from '../row-sums/index.ts';
import { CODE, HASH } from '../rows/index.ts';

interface CountSpec {
  readonly filters: Filters;
  readonly custom: readonly string[];
  /** Only orders of these; absent: of all. */
  readonly isOfCustomer?: (customer: HashWords) => boolean;
}

/** How many orders lie in a plan: rows that an order counts at, less those that are taken back. */
export function countOrders(
  sources: FamilySources & { readonly dictionary: LogTexts },
  plan: ScanPlan,
  { filters, custom, isOfCustomer }: CountSpec,
  cancel: Cancel,
): number {
  const { conditions } = rowFilters(filters, custom, sources.dictionary);
  const tests = new RowTests([[marked('orders'), ...conditions]]);
  const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = plan.request;
  let rows = new Uint32Array(0);
  let orders = 0;
  sources.scan(plan, (chunk) => {
    cancel.check();
    const bits = tests.of(chunk);
    if (bits === undefined) return;
    if (rows.length < chunk.rows) rows = new Uint32Array(chunk.rows);
    let count = 0;
    for (let row = 0; row < chunk.rows; row++) {
      rows[count] = row;
      count += bits[row] as number;
    }
    if (!chunk.isWhole) {
      count = refineRange(chunk.time_ms(), start_ms, end_ms, rows, count);
      if (chunk.max_sequence > upTo)
        count = refineRange(chunk.sequence(), Number.NEGATIVE_INFINITY, upTo + 1, rows, count);
    }
    const { index, values } = chunk.code(CODE.retraction);
    const customers = isOfCustomer === undefined ? undefined : chunk.hash(HASH.customer);
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      if (customers !== undefined) {
        const place = customers.index === null ? 0 : (customers.index[row] as number);
        const words = { hi: customers.hi[place] as number, lo: customers.lo[place] as number };
        if (isOfCustomer?.(words) === false) continue;
      }
      orders += values[index === null ? 0 : (index[row] as number)] === 1 ? -1 : 1;
    }
  });
  return orders;
}
