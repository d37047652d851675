import type { HashColumn, RowBatch } from '../../engine/index.ts';
import {
  CODE,
  FLAG,
  HASH,
  ITEM_CODE,
  ITEM_NUMBER,
  MARK,
  type Mark,
  NUMBER,
  ROW_DIMENSIONS,
} from '../rows/index.ts';

export const CUSTOM = ['tier'] as const;

export interface TestItem {
  readonly sku: string;
  readonly category: string;
  readonly quantity: number;
  readonly unit_price: number;
}

/** A row as a test writes it; what is left out is none. */
export interface TestRow {
  readonly time_ms: number;
  readonly sequence: number;
  readonly scope?: string;
  readonly retraction?: boolean;
  readonly restated?: boolean;
  /** Stands for the event's id; default: the row's place in its batch. */
  readonly event?: number;
  readonly type?: string;
  readonly marks?: readonly Mark[];
  readonly currency?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  /** A number that stands for a customer, above 0. */
  readonly customer?: number;
  readonly amount?: number;
  readonly discount?: number;
  readonly shipping?: number;
  readonly tax?: number;
  readonly value?: number;
  readonly items?: readonly TestItem[];
}

export const TENANT = 'acme';
const NUMBERS = ['amount', 'discount', 'shipping', 'tax', 'value'] as const;

export function appendRow(batch: RowBatch, given: TestRow): void {
  const { dictionary, columns } = batch;
  const row = batch.append();
  const code = (column: number, value: number): void => {
    (columns.codes[column] as Int32Array)[row] = value;
  };
  batch.time_ms[row] = given.time_ms;
  batch.sequence[row] = given.sequence;
  batch.part[row] = 0;
  batch.scope[row] = dictionary.codeOf(given.scope ?? TENANT);
  code(CODE.retraction, given.retraction === true ? 1 : 0);
  code(CODE.flags, given.retraction === true ? 0 : given.restated === true ? FLAG.restated : FLAG.original);
  code(CODE.type, dictionary.codeOf(given.type ?? 'order.created'));
  code(CODE.marks, marksOf(given));
  code(CODE.currency, dictionary.codeOf(given.currency ?? ''));
  code(CODE.event, given.event ?? row);
  for (const [at, name] of [...ROW_DIMENSIONS, ...CUSTOM].entries()) {
    code(CODE.dimensions + at, dictionary.codeOf(given.dimensions?.[name] ?? ''));
  }
  for (const column of columns.hashes) [column.hi[row], column.lo[row]] = [0, 0];
  setCustomer(columns.hashes[HASH.customer] as HashColumn, row, given.customer ?? 0);
  for (const name of NUMBERS)
    (columns.numbers[NUMBER[name]] as Float64Array)[row] = given[name] ?? Number.NaN;
  (columns.numbers[NUMBER.origin] as Float64Array)[row] = Number.NaN;
  appendItems(batch, row, given.items ?? []);
}

export function marksOf({ marks = [] }: TestRow): number {
  return marks.reduce((bits, mark) => bits | MARK[mark], 0);
}

/** The words of a customer: not of good quality, as those of real ids need not be. */
function setCustomer(column: HashColumn, row: number, customer: number): void {
  column.hi[row] = customer === 0 ? 0 : Math.imul(customer, 0x9e3779b1);
  column.lo[row] = customer;
}

function appendItems(batch: RowBatch, row: number, items: readonly TestItem[]): void {
  const first = batch.appendItems(items.length);
  batch.itemStart[row] = first;
  batch.itemCount[row] = items.length;
  for (const [at, { sku, category, quantity, unit_price }] of items.entries()) {
    const item = first + at;
    (batch.items.codes[ITEM_CODE.sku] as Int32Array)[item] = batch.dictionary.codeOf(sku);
    (batch.items.codes[ITEM_CODE.category] as Int32Array)[item] = batch.dictionary.codeOf(category);
    (batch.items.numbers[ITEM_NUMBER.quantity] as Float64Array)[item] = quantity;
    (batch.items.numbers[ITEM_NUMBER.unit_price] as Float64Array)[item] = unit_price;
  }
}

/** A small generator of numbers (mulberry32): the same rows for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), 1 | state);
    hash = (hash + Math.imul(hash ^ (hash >>> 7), 61 | hash)) ^ hash;
    return ((hash ^ (hash >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const KINDS: readonly (readonly [type: string, marks: readonly Mark[]])[] = [
  ['order.created', ['orders']],
  ['order.created', ['orders', 'customers_new', 'sessions_with_order']],
  ['order.created', ['orders', 'sessions_with_order']],
  ['visit', ['visits']],
  ['visit', ['visits', 'sessions']],
  ['add_to_cart', ['sessions_with_cart']],
  ['payment.succeeded', ['payment', 'orders_paid']],
  ['payment.succeeded', ['payment']],
  ['refund.issued', ['refund', 'orders_refunded']],
  ['order.cancelled', ['orders_cancelled', 'cancelled']],
  ['order.cancelled', ['orders_cancelled']],
  ['order.shipped', ['orders_shipped', 'shipped_in']],
  ['order.delivered', ['orders_delivered']],
  ['order.rto', ['orders_rto']],
  ['return.received', ['returns']],
  ['ticket.first_response', ['responded']],
  ['my_own-Type', []],
];

const VALUES: Readonly<Record<string, readonly string[]>> = {
  channel: ['', 'web', 'app', 'store'],
  country: ['', 'GB', 'DE', 'FR', 'US', 'Ü'],
  sku: ['', 's1', 's9'],
  category: ['', 'toys'],
  campaign: ['', 'c1', 'c2'],
  status: ['', 'open'],
  voucher_code: ['', 'v1', 'v2', 'v3'],
  tier: ['', 'gold', 'silver'],
  source: ['', 'shop'],
};
const SKUS = ['', 's1', 's2', 's3', 's4'];
const CATEGORIES = ['', 'toys', 'food'];
const CURRENCIES = ['EUR', 'EUR', 'EUR', 'USD', 'JPY', ''];

export interface RandomRows {
  readonly seed: number;
  readonly events: number;
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Events with some of them corrected later: a retraction of the row, and it anew; in order of sequence. */
export function randomRows({ seed, events, start_ms, end_ms }: RandomRows): TestRow[] {
  const random = randomOf(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const money = (): number => (random() < 0.02 ? 2 ** 52 + below(1_000) : below(20_000) - 500);
  const newest: TestRow[] = [];
  const rows: TestRow[] = [];
  const make = (sequence: number, time_ms: number, kind: (typeof KINDS)[number]): TestRow => {
    const [type, marks] = kind;
    const hasItems = /order|refund|payment|return/.test(type) && random() < 0.6;
    const maybe = (share: number): number | undefined => (random() < share ? money() : undefined);
    const numbers = {
      amount: maybe(0.9),
      discount: maybe(0.4),
      shipping: maybe(0.4),
      tax: maybe(0.4),
      value: random() < 0.9 ? below(10 ** 9) : undefined,
    };
    return {
      ...{ time_ms, sequence, type, marks, event: sequence },
      currency: pick(CURRENCIES),
      dimensions: Object.fromEntries(Object.entries(VALUES).map(([name, values]) => [name, pick(values)])),
      customer: random() < 0.9 ? 1 + below(40) : 0,
      ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined)),
      items: Array.from({ length: hasItems ? below(5) : 0 }, () => ({
        sku: pick(SKUS),
        category: pick(CATEGORIES),
        quantity: below(6) - 1,
        unit_price: random() < 0.05 ? 10 ** 12 : below(3_000),
      })),
    };
  };
  for (let sequence = 1; sequence <= events; sequence++) {
    const at = newest.length === 0 || random() < 0.8 ? -1 : below(newest.length);
    const old = at < 0 ? undefined : newest[at];
    if (old === undefined) {
      const row = make(sequence, start_ms + below((end_ms - start_ms) / 1_000) * 1_000, pick(KINDS));
      newest.push(row);
      rows.push(row);
      continue;
    }
    // Its order came or changed: it counts elsewhere, or nowhere.
    rows.push({ ...old, sequence, retraction: true });
    const kind = KINDS.find(([, marks]) => marks === old.marks) as (typeof KINDS)[number];
    const moved = random() < 0.2 ? start_ms + below(end_ms - start_ms) : old.time_ms;
    const marks = random() < 0.2 ? [] : kind[1];
    const anew = { ...make(sequence, moved, kind), event: old.event ?? 0, marks, restated: true };
    newest[at] = { ...anew, marks: kind[1] };
    rows.push(anew);
    if (marks.length === 0) newest.splice(at, 1);
  }
  return rows;
}
