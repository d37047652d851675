import type { Cancel, QueryContext } from '../../engine/index.ts';
import {
  EntityRows,
  type EntityWork,
  entityParts,
  type RowHashes,
  type RowTable,
  type RowTest,
  scanFacts,
} from '../entity-rows/index.ts';
import { normalType } from '../events/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import {
  type DimensionColumn,
  dimensionFilter,
  type Filters,
  filtersOf,
  type LogTexts,
  requireColumn,
} from '../filters/index.ts';
import { type FamilySources, keptFrom } from '../query-head/index.ts';
import { CODE, HASH, MARK, NUMBER } from '../rows/index.ts';
import { type ItemList, ItemLists } from './item-lists.ts';
import type { ItemFilter } from './row-groups.ts';

/** By whose time something counts: the event's own, or that of the order that it is of. */
export const BASES = ['event', 'order'] as const;
export type Basis = (typeof BASES)[number];

/** One event of an order. Valid during the visit. */
export interface OrderRow {
  readonly time_ms: number;
  /** Bit i: it passes test i. */
  readonly bits: number;
  readonly amount: number;
  readonly discount: number;
  readonly currency: number;
  /** Values of the dimensions asked for, the row's own. */
  readonly codes: readonly number[];
  readonly items: ItemList | undefined;
  readonly shipping: number;
  readonly tax: number;
  /** Both words 0: the event names none. */
  readonly order: HashWords;
  readonly customer: HashWords;
  /** The events that say what the row says. */
  readonly places: () => readonly EventPlace[];
}

export interface HashWords {
  readonly hi: number;
  readonly lo: number;
}

export interface OrderScanSpec {
  readonly tests: readonly RowTest[];
  readonly dimensions: readonly DimensionColumn[];
  /** Only orders of these hashes; default: all. */
  readonly orders?: (hi: number, lo: number) => boolean;
  /** false: nobody looks at the items of rows, which cost as much as all else. */
  readonly items?: boolean;
}

/**
 * Visits the events of each order that pass a test, by time, net of corrections. An event without an order id comes
 * alone, with `isLoner`.
 */
export function visitOrders(
  sources: FamilySources,
  { plan, share }: EntityWork,
  { tests, dimensions, orders, items = true }: OrderScanSpec,
  cancel: Cancel,
  visit: (rows: readonly OrderRow[], isLoner: boolean) => void,
): void {
  const lists = new ItemLists();
  const rows = new EntityRows({
    ...{ entity: HASH.order, share, tests, request: plan.request, loners: true },
    derived: items ? [lists.write] : [],
    codes: [CODE.currency, ...dimensions.map(({ column }) => column)],
    hashes: [HASH.order, HASH.customer],
    numbers: [NUMBER.amount, NUMBER.discount, NUMBER.shipping, NUMBER.tax],
    ...(orders === undefined ? {} : { entities: orders }),
  });
  sources.scan(plan, (chunk) => {
    cancel.check();
    rows.add(chunk);
  });
  rows.visit(
    (table, order, from, to) => {
      const found: OrderRow[] = [];
      for (let at = from; at < to; at++)
        found.push(new TableRow(table, order[at] as number, items ? lists : undefined));
      const { hi, lo } = (found[0] as OrderRow).order;
      visit(found, (hi | lo) === 0);
    },
    () => cancel.check(),
  );
}

/** A row where it lies: a query looks at most of its rows for a few columns only. */
class TableRow implements OrderRow {
  readonly #table: RowTable;
  readonly #row: number;
  readonly #lists: ItemLists | undefined;

  constructor(table: RowTable, row: number, lists: ItemLists | undefined) {
    this.#table = table;
    this.#row = row;
    this.#lists = lists;
  }

  get time_ms(): number {
    return this.#table.time_ms[this.#row] as number;
  }
  get bits(): number {
    return this.#table.bits[this.#row] as number;
  }
  get amount(): number {
    return this.#number(0);
  }
  get discount(): number {
    return this.#number(1);
  }
  get shipping(): number {
    return this.#number(2);
  }
  get tax(): number {
    return this.#number(3);
  }
  get currency(): number {
    return this.#code(0);
  }
  get codes(): readonly number[] {
    const { codes } = this.#table;
    const end = this.#lists === undefined ? codes.length : codes.length - 1;
    return codes.slice(1, end).map((column) => column[this.#row] as number);
  }
  get items(): ItemList | undefined {
    return this.#lists?.listOf(this.#code(this.#table.codes.length - 1));
  }
  get order(): HashWords {
    return this.#hash(0);
  }
  get customer(): HashWords {
    return this.#hash(1);
  }
  places(): readonly EventPlace[] {
    return this.#table.placesOf(this.#row);
  }

  #code(column: number): number {
    return this.#table.codes[column]?.[this.#row] as number;
  }
  #number(column: number): number {
    return this.#table.numbers[column]?.[this.#row] as number;
  }
  #hash(column: number): HashWords {
    const { hi, lo } = this.#table.hashes[column] as RowHashes;
    return { hi: hi[this.#row] as number, lo: lo[this.#row] as number };
  }
}

/** The plan of a query over orders; every part sees all rows of its orders. */
export function planOrders(
  sources: FamilySources,
  { scope }: Pick<QueryContext, 'scope'>,
  range: { readonly start_ms: number; readonly end_ms: number },
  upTo: number | undefined,
) {
  const plan = sources.planScan({ scope, ...range, ...(upTo === undefined ? {} : { upTo }) });
  const parts = entityParts(plan);
  const { start_ms } = plan.request;
  return {
    ...scanFacts(plan, parts),
    narrow: ['ask for a shorter range (start, end)'],
    segments: plan.segments,
    warnings: start_ms > range.start_ms ? [keptFrom(start_ms, 'the answer begins there.')] : [],
  };
}

/** Conditions of filters on rows, and those of them that also tell the lines of a row apart. */
export function rowFilters(
  filters: Filters,
  custom: readonly string[],
  dictionary: LogTexts,
): { readonly conditions: RowTest; readonly items: readonly ItemFilter[] } {
  const made = filtersOf(filters).map((filter) => dimensionFilter(filter, custom, dictionary));
  return {
    conditions: made.map(({ column, item, accepts }) => ({ code: column, item, accepts })),
    items: made.filter(({ item }) => item >= 0),
  };
}

/** Rows of a mark. */
export function marked(mark: keyof typeof MARK): RowTest[number] {
  return { code: CODE.marks, accepts: (marks) => (marks & MARK[mark]) !== 0 };
}

/** Rows of a type. */
export function ofType(type: string, dictionary: LogTexts): RowTest[number] {
  return { code: CODE.type, accepts: (code) => normalType(dictionary.textOf(code)) === type };
}

export function columnsOf(dimensions: readonly string[], custom: readonly string[]): DimensionColumn[] {
  return dimensions.map((name) => requireColumn(name, custom));
}
