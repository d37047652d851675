import { CODE, FLAG, HASH, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from '../analytics/index.ts';
import { type Dictionary, type HashColumn, RowBatch } from '../engine/index.ts';
import { random } from './traffic.ts';

export const SCOPE = 'shop';
export const START_MS = Date.UTC(2025, 0, 1);
export const END_MS = Date.UTC(2026, 0, 1);

/** As the log has them. */
export const TYPES = [
  'visit',
  'product.viewed',
  'add.to.cart',
  'checkout.initiated',
  'order.created',
  'payment.succeeded',
] as const;
export const ORDER = TYPES.indexOf('order.created');
const PAYMENT = TYPES.indexOf('payment.succeeded');
const MARKS = [
  MARK.visits | MARK.sessions,
  0,
  MARK.sessions_with_cart,
  0,
  MARK.orders | MARK.sessions_with_order,
  MARK.payment | MARK.orders_paid,
] as const;

const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_unused, at) => `${prefix}${at + 1}`);

/** Values of the dimensions; place 0 is none. */
export const VALUES = {
  country: ['', ...named('C', 20)],
  channel: ['', 'web', 'mobile', 'store', 'marketplace'],
  campaign: ['', ...named('cmp-', 30)],
  category: ['', ...named('cat-', 24)],
  payment_method: ['', 'card', 'paypal', 'klarna', 'invoice', 'apple_pay'],
  sku: ['', ...named('SKU-', 2_000)],
} as const;
export type ShopDimension = keyof typeof VALUES;
export const SHOP_DIMENSIONS = Object.keys(VALUES) as ShopDimension[];

/** Columns of some rows, in the order in which the events arrived; dimensions as places in `VALUES`. */
export interface ShopRows {
  readonly count: number;
  readonly time_ms: Float64Array;
  readonly type: Int32Array;
  readonly customer: Int32Array;
  readonly session: Int32Array;
  readonly dimensions: Readonly<Record<ShopDimension, Int32Array>>;
  /** Minor units; NaN where the event has none. */
  readonly amount: Float64Array;
}

const ACTIVE_SESSIONS = 4_000;
/** Events that come late, and by how much at most, ms; the others are a little out of order. */
const LATE_SHARE = 0.002;
const LATE_MS = 2 * 86_400_000;
const DISORDER_MS = 30_000;

/**
 * A year of a shop: sessions of customers that browse, and buy in one case of three, advance by turns. A session
 * takes about half a day; what a customer begins in one session, another may end.
 */
export function shopRows(events: number, customers: number, seed = 1): (max: number) => ShopRows | undefined {
  const next = random(seed);
  const below = (count: number): number => Math.floor(next() * count);
  const skewed = (count: number): number => Math.floor(next() * next() * count);
  const step_ms = (END_MS - START_MS) / events;
  const base = {
    ...{ step: new Uint8Array(ACTIVE_SESSIONS), last: new Uint8Array(ACTIVE_SESSIONS) },
    ...{ customer: new Int32Array(ACTIVE_SESSIONS), session: new Int32Array(ACTIVE_SESSIONS) },
    ...{ country: new Int32Array(ACTIVE_SESSIONS), channel: new Int32Array(ACTIVE_SESSIONS) },
    ...{ campaign: new Int32Array(ACTIVE_SESSIONS), sku: new Int32Array(ACTIVE_SESSIONS) },
  };
  let sessions = 0;
  const open = (at: number): void => {
    const customer = below(customers);
    base.step[at] = 0;
    base.last[at] = next() < 0.35 ? PAYMENT : below(4);
    base.customer[at] = customer;
    base.session[at] = sessions++;
    base.country[at] = 1 + ((customer * 7_919) % 20);
    base.channel[at] = 1 + skewed(4);
    base.campaign[at] = next() < 0.4 ? 0 : 1 + skewed(30);
    base.sku[at] = 1 + skewed(2_000);
  };
  for (let at = 0; at < ACTIVE_SESSIONS; at++) open(at);
  let done = 0;
  return (max) => {
    const count = Math.min(max, events - done);
    if (count === 0) return undefined;
    const rows = emptyRows(count);
    const { dimensions } = rows;
    for (let row = 0; row < count; row++, done++) {
      const at = below(ACTIVE_SESSIONS);
      const step = base.step[at] as number;
      const back_ms = next() < LATE_SHARE ? below(LATE_MS) : below(DISORDER_MS);
      rows.time_ms[row] = Math.max(START_MS, Math.floor(START_MS + done * step_ms) - back_ms);
      rows.type[row] = step;
      rows.customer[row] = base.customer[at] as number;
      rows.session[row] = base.session[at] as number;
      dimensions.country[row] = base.country[at] as number;
      dimensions.channel[row] = base.channel[at] as number;
      dimensions.campaign[row] = base.campaign[at] as number;
      const sku = step === 0 ? 0 : (base.sku[at] as number);
      dimensions.sku[row] = sku;
      dimensions.category[row] = sku === 0 ? 0 : 1 + (sku % 24);
      const isPaid = step >= ORDER;
      dimensions.payment_method[row] = isPaid ? 1 + ((base.session[at] as number) % 5) : 0;
      rows.amount[row] = isPaid ? 500 + (((base.session[at] as number) * 7_919) % 20_000) : Number.NaN;
      if (step === base.last[at]) open(at);
      else base.step[at] = step + 1;
    }
    return rows;
  };
}

function emptyRows(count: number): ShopRows {
  const ints = (): Int32Array => new Int32Array(count);
  const dimensions = Object.fromEntries(SHOP_DIMENSIONS.map((name) => [name, ints()]));
  return {
    ...{ count, time_ms: new Float64Array(count), type: ints(), customer: ints(), session: ints() },
    dimensions: dimensions as Record<ShopDimension, Int32Array>,
    amount: new Float64Array(count),
  };
}

/** The words of an id's hash: as well spread as those of the real one. */
function mix(id: number, seed: number): number {
  let hash = Math.imul(id + 1, 0x9e3779b1) ^ seed;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Rows of a batch as the ledger hands them on. */
export class ShopBatch {
  readonly batch: RowBatch;
  readonly #scope: number;
  readonly #currency: number;
  readonly #types: Int32Array;
  readonly #codes: Readonly<Record<ShopDimension, Int32Array>>;
  #sequence = 0;

  constructor(dictionary: Dictionary) {
    this.batch = new RowBatch(rowSchema(), dictionary);
    const codesOf = (texts: readonly string[]) => Int32Array.from(texts, (text) => dictionary.codeOf(text));
    this.#scope = dictionary.codeOf(SCOPE);
    this.#currency = dictionary.codeOf('EUR');
    this.#types = codesOf(TYPES);
    const codes = SHOP_DIMENSIONS.map((name) => [name, codesOf(VALUES[name])]);
    this.#codes = Object.fromEntries(codes) as Record<ShopDimension, Int32Array>;
  }

  fill(rows: ShopRows): RowBatch {
    const { batch } = this;
    batch.clear();
    while (batch.length < rows.count) batch.append();
    const { count } = rows;
    const { codes, hashes, numbers } = batch.columns;
    for (const column of codes) column.fill(0, 0, count);
    for (const column of numbers) column.fill(Number.NaN, 0, count);
    const none = new Int32Array(count);
    batch.time_ms.set(rows.time_ms);
    batch.part.set(none);
    batch.scope.fill(this.#scope, 0, count);
    batch.itemStart.set(none);
    batch.itemCount.set(none);
    codes[CODE.flags]?.fill(FLAG.original, 0, count);
    codes[CODE.currency]?.fill(this.#currency, 0, count);
    const [types, marks, events] = [CODE.type, CODE.marks, CODE.event].map(
      (column) => codes[column] as Int32Array,
    ) as [Int32Array, Int32Array, Int32Array];
    for (let row = 0; row < count; row++) {
      const type = rows.type[row] as number;
      batch.sequence[row] = ++this.#sequence;
      types[row] = this.#types[type] as number;
      marks[row] = MARKS[type] as number;
      events[row] = mix(this.#sequence, 7) >>> 1;
      const session = rows.session[row] as number;
      setHash(hashes[HASH.customer] as HashColumn, row, rows.customer[row] as number, 1);
      setHash(hashes[HASH.session] as HashColumn, row, session, 2);
      setHash(hashes[HASH.order] as HashColumn, row, type >= ORDER ? session : -1, 3);
    }
    for (const name of SHOP_DIMENSIONS) {
      const column = codes[CODE.dimensions + ROW_DIMENSIONS.indexOf(name)] as Int32Array;
      const places = rows.dimensions[name];
      const own = this.#codes[name];
      for (let row = 0; row < count; row++) column[row] = own[places[row] as number] as number;
    }
    numbers[NUMBER.amount]?.set(rows.amount);
    return batch;
  }
}

/** -1 is none. */
function setHash({ hi, lo }: HashColumn, row: number, id: number, seed: number): void {
  hi[row] = id < 0 ? 0 : mix(id, seed);
  lo[row] = id < 0 ? 0 : mix(id, seed + 100);
}
