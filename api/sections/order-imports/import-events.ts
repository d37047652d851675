import { createHash } from 'node:crypto';
import {
  formatUtc,
  type ListedOrder,
  MAX_RANGE_MS,
  type OrdersQuery,
  ordersSchemaOf,
  orderVersions,
  parseEventJson,
} from '../../../analytics/index.ts';
import type { RunningJob } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, runQuery } from '../../answers/index.ts';
import { ApiError, timeText } from '../../http/index.ts';
import type { ImportedOrder, ImportPayment } from './import-row.ts';

/** An order that there is. */
export interface KnownOrder {
  /** Of its newest version. */
  readonly version_ms: number;
  readonly event_id: string | null;
  /** The hash of the row that its newest version was imported from, if it was. */
  readonly hash: string | null;
  readonly money: KnownMoney;
}

/** What is known of the money of an order, in minor units of its currency. */
type KnownMoney = Pick<ListedOrder, 'payment_status' | 'currency' | 'total' | 'paid' | 'refunded'>;

export interface EventsOfOrder {
  readonly change: 'created' | 'updated' | 'unchanged';
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

/** Before every event. */
const ALL_TIME = { start: '2000-01-01T00:00:00Z', end: formatUtc(MAX_RANGE_MS), follow_up: '3660d' };

/**
 * Which of some orders there are. `isFresh`: with all that was in the stream when this was asked. Throws what queries
 * throw.
 */
export async function knownOrders(
  answers: AnswerParts,
  { record, signal }: Pick<RunningJob, 'record' | 'signal'>,
  order_numbers: readonly string[],
  isFresh: boolean,
): Promise<ReadonlyMap<string, KnownOrder>> {
  if (order_numbers.length === 0) return new Map();
  const { ports } = answers;
  const { tenant, created_by } = record;
  const { custom, queries } = analyticsOf(ports.settings);
  const query: OrdersQuery = ordersSchemaOf(custom).parse({
    ...ALL_TIME,
    ...{ order_ids: order_numbers, limit: order_numbers.length },
  });
  const asker = { request: { signal }, tenant, principal: { key_id: created_by } };
  const { answer } = await runQuery(answers, asker, queries.orders, query, {
    wish: { force_fresh: isFresh },
  });
  const { orders } = answer.body as unknown as { readonly orders: readonly ListedOrder[] };
  const finder = ports.finder?.();
  if (finder === undefined)
    throw new ApiError('state_not_ready', 'The events cannot be read yet.', { retryAfter_s: 1 });
  const newest = orders.map(({ order, versions }) => ({ order, versions: versions.slice(-1) }));
  const texts = await orderVersions(finder, tenant, newest, signal);
  const known = new Map<string, KnownOrder>();
  const byKey = new Map(order_numbers.map((id) => [keyOf(finder.terms.idHash(tenant, id)), id]));
  for (const [at, { key, version_ms, ...money }] of orders.entries()) {
    const order_number = byKey.get(key);
    const [text] = texts[at] ?? [];
    const event = Object(text === undefined ? {} : parseEventJson(text)) as {
      readonly event_id?: unknown;
      readonly data?: { readonly import?: { readonly hash?: unknown } };
    };
    const { hash } = Object(event.data?.import) as { readonly hash?: unknown };
    if (order_number === undefined) continue;
    known.set(order_number, {
      ...{ version_ms, money },
      event_id: typeof event.event_id === 'string' ? event.event_id : null,
      hash: typeof hash === 'string' ? hash : null,
    });
  }
  return known;
}

const keyOf = ({ hi, lo }: { readonly hi: number; readonly lo: number }): string =>
  [hi, lo].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');

/**
 * The events that make an order what its row says: none where it is that already. Ids follow from the row and from
 * what it replaces, so that who does it twice does it once.
 */
export function eventsOf(
  order: ImportedOrder,
  known: KnownOrder | undefined,
  { source, at_ms }: { readonly source: string; readonly at_ms: number },
): EventsOfOrder {
  const isSame = known?.hash === order.hash;
  // An order is newer than what it replaces, and its payment newer than the order.
  const time_ms = Math.max(at_ms, (known?.version_ms ?? 0) + 1);
  const change = known === undefined ? 'created' : isSame ? 'unchanged' : 'updated';
  const { members, order_number, hash } = order;
  const { data, ...own } = members as { readonly data: object };
  const version = {
    event_id: `imp_${hashOf([order_number, hash, known?.event_id ?? null])}`,
    type: known === undefined ? 'order.created' : 'order.updated',
    ...{ time: timeText(time_ms), source, ...own },
    data: { ...data, import: { hash } },
  };
  // Imports that overlap know of the same money, and pay once. An order that had none has the id without it.
  const payments = paymentsOf(order, known?.money).map(({ type, amount, had }, at) => ({
    event_id: `imp_${hashOf([order_number, type, ...(had === 0 ? [] : [had])])}`,
    ...{ type, time: timeText(time_ms + at + 1), source, order_id: order_number },
    ...{ currency: order.currency, ...(amount === undefined ? {} : { amount }) },
  }));
  return { change, events: [...(isSame ? [] : [version]), ...payments] };
}

const hashOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);

interface Paying {
  readonly type: string;
  readonly amount?: number;
  /** What was paid, or refunded, before. */
  readonly had: number;
}

const NO_MONEY = { payment_status: 'pending', total: 0, paid: 0, refunded: 0 } as const;

/** The events of money that lead from what is known of an order to what its row says. */
function paymentsOf(
  { payment, total, currency }: ImportedOrder,
  known: KnownMoney = { ...NO_MONEY, currency },
): readonly Paying[] {
  const { payment_status: now } = known;
  // A payment in another currency, or without an amount, counts as the whole.
  const isByAmounts = known.currency === currency && !(now === 'paid' && known.paid < known.total);
  const [paid, refunded] = isByAmounts ? [known.paid, known.refunded] : [0, 0];
  const isUnpaid = now === 'pending' || now === 'failed';
  const isRefunded = now === 'refunded' || now === 'partially_refunded';
  const isOwing = isUnpaid || (isByAmounts && !isRefunded && paid < total);
  const paying: Paying = { type: 'payment.succeeded', amount: total - paid, had: paid };
  // Without a payment all of the order goes back.
  const back = isByAmounts && !isUnpaid && (paid > 0 || !isRefunded) ? paid : total;
  const isToRefund = now === 'partially_refunded' ? isByAmounts && refunded < back : now !== 'refunded';
  const refunding: Paying = { type: 'refund.issued', amount: back - refunded, had: refunded };
  const wanted: Readonly<Record<ImportPayment, readonly Paying[]>> = {
    pending: [],
    failed: now === 'pending' ? [{ type: 'payment.failed', had: 0 }] : [],
    paid: isOwing ? [paying] : [],
    refunded: isToRefund ? [...(isUnpaid ? [paying] : []), refunding] : [],
  };
  return payment === undefined ? [] : wanted[payment];
}
