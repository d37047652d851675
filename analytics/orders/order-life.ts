import { holdsOver, normalStatus, stepOf } from '../order-names/index.ts';
import type { OrderRow } from '../returns/index.ts';
import { LIFE_BITS, NAMES_STATUS, typeBit } from './life-bits.ts';

/** The status of an order that nothing says anything of. */
export const NEW_STATUS = 'pending';
export const PAYMENT_STATUSES = [
  'pending',
  'failed',
  'partially_paid',
  'paid',
  'partially_refunded',
  'refunded',
] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];
export const PAYMENT_KINDS = ['cod', 'prepaid', 'unknown'] as const;
export type PaymentKind = (typeof PAYMENT_KINDS)[number];

/** What became of an order. Money in minor units of its currency. */
export interface OrderLife {
  readonly created_ms: number;
  /** Of its last event. */
  readonly updated_ms: number;
  readonly status: string;
  /** When it came to have that status. */
  readonly status_ms: number;
  /** It was shipped: by an event, or by a status that only what was shipped has. */
  readonly isShipped: boolean;
  readonly payment_status: PaymentStatus;
  readonly payment_kind: PaymentKind;
  readonly paid: number;
  readonly refunded: number;
  /** amount − discount + shipping + tax */
  readonly total: number;
  /** Its `order.created` and `order.updated`, by time. */
  readonly versions: readonly OrderRow[];
}

const VERSION = typeBit('order.created') | typeBit('order.updated');
/** Events that say a status by their type. */
const SAYS = [
  [typeBit('order.confirmed'), 'confirmed'],
  [typeBit('order.shipped'), 'shipped'],
  [typeBit('order.delivered'), 'delivered'],
  [typeBit('order.cancelled'), 'cancelled'],
  [typeBit('order.rto'), 'rto'],
] as const;
const SHIPPED = typeBit('order.shipped');
const FAILED = typeBit('payment.failed');

/** Place of the status and of the payment method among the codes of a row. */
const [STATUS, METHOD] = [0, 1] as const;

const ON_ITS_WAY = new Set(['shipped', 'delivered', 'rto']);
const COD = new Set(['cod', 'cashondelivery']);

/** A status as it is compared: one of those with an event of their own by any of its names, else in normal form. */
export const statusText = (text: string): string => stepOf(text) ?? normalStatus(text);

/** Cash on delivery by any of its usual names; every other method is paid before. */
export function paymentKind(method: string): PaymentKind {
  if (method === '') return 'unknown';
  return COD.has(method.toLowerCase().replaceAll(/[^a-z]/g, '')) ? 'cod' : 'prepaid';
}

/** `rows` are the order's events, by time; `order` is the row that it counts at, which says what its newest version says. */
export function orderLife(
  order: OrderRow,
  rows: readonly OrderRow[],
  textOf: (code: number) => string,
): OrderLife {
  const versions: OrderRow[] = [];
  const payments = new MoneySum(order);
  const refunds = new MoneySum(order);
  let updated_ms = order.time_ms;
  let seen = 0;
  for (const row of rows) {
    const { bits, time_ms } = row;
    seen |= bits;
    if (time_ms > updated_ms) updated_ms = time_ms;
    if ((bits & VERSION) !== 0) versions.push(row);
    if ((bits & LIFE_BITS.payment) !== 0) payments.add(row);
    if ((bits & LIFE_BITS.refund) !== 0) refunds.add(row);
  }
  const { status, status_ms } = statusOf(order, rows, versions, textOf);
  const total = none(order.amount) - none(order.discount) + none(order.shipping) + none(order.tax);
  // A spread of members costs more than all else, and there are orders by the million.
  return {
    created_ms: order.time_ms,
    updated_ms,
    status,
    status_ms,
    isShipped: (seen & SHIPPED) !== 0 || ON_ITS_WAY.has(status),
    payment_status: paymentStatus(payments, refunds, total, (seen & FAILED) !== 0),
    payment_kind: paymentKind(textOf(order.codes[METHOD] as number)),
    paid: payments.sum,
    refunded: refunds.sum,
    total,
    versions,
  };
}

const none = (value: number): number => (Number.isNaN(value) ? 0 : value);

/** Payments, or refunds, of an order. */
class MoneySum {
  /** In the order's currency. */
  sum = 0;
  isAny = false;
  hasNoAmount = false;
  hasOtherCurrency = false;
  readonly #currency: number;

  constructor({ currency }: OrderRow) {
    this.#currency = currency;
  }

  add({ amount, currency }: OrderRow): void {
    this.isAny = true;
    if (Number.isNaN(amount)) this.hasNoAmount = true;
    if (currency !== this.#currency) this.hasOtherCurrency = true;
    else this.sum += none(amount);
  }
}

/**
 * The newest of what says one: the order's versions, whose status is that of the newest which has one, and events. At one
 * time an event holds over a version, and of two events what `holdsOver` says. `analytics/order-changes` does the same.
 */
function statusOf(
  order: OrderRow,
  rows: readonly OrderRow[],
  versions: readonly OrderRow[],
  textOf: (code: number) => string,
): { readonly status: string; readonly status_ms: number } {
  const own = order.codes[STATUS] as number;
  let status = own === 0 ? NEW_STATUS : statusText(textOf(own));
  let status_ms = order.time_ms;
  if (own !== 0)
    for (const { codes, time_ms } of versions)
      if (codes[STATUS] !== 0 && time_ms > status_ms) status_ms = time_ms;
  let isEvents = false;
  for (const row of rows) {
    if (row.time_ms < status_ms) continue;
    const said = saidBy(row, textOf);
    if (said === undefined) continue;
    if (isEvents && row.time_ms === status_ms && !holdsOver(said, status)) continue;
    status = said;
    status_ms = row.time_ms;
    isEvents = true;
  }
  return { status, status_ms };
}

function saidBy({ bits, codes }: OrderRow, textOf: (code: number) => string): string | undefined {
  const [, meant] = SAYS.find(([bit]) => (bits & bit) !== 0) ?? [];
  // A version's status is the order's own; it is looked at with the versions.
  if (meant !== undefined || (bits & NAMES_STATUS) === 0 || (bits & VERSION) !== 0) return meant;
  return statusText(textOf(codes[STATUS] as number));
}

function paymentStatus(
  payments: MoneySum,
  refunds: MoneySum,
  total: number,
  hasFailure: boolean,
): PaymentStatus {
  // What has no amount, or one in another currency, is taken for the whole.
  const isPaidWhole = payments.hasNoAmount || payments.hasOtherCurrency;
  if (refunds.isAny) {
    const whole = payments.isAny && !isPaidWhole ? payments.sum : total;
    return refunds.hasNoAmount || refunds.sum >= whole ? 'refunded' : 'partially_refunded';
  }
  if (payments.isAny) return isPaidWhole || payments.sum >= total ? 'paid' : 'partially_paid';
  return hasFailure ? 'failed' : 'pending';
}
