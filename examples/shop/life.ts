import type { SeededRandom } from '../../index.ts';
import { chanceOf } from './chance.ts';
import { CURRENCY, eventOf, HOUR_MS, MINUTE_MS, type ShopEvent } from './event.ts';
import type { Order, OrderItem } from './sales.ts';

const REASONS = ['damaged', 'not as described', 'changed mind', 'arrived late'];

/** Writes the events of one order, one after the other. */
class Life {
  readonly events: ShopEvent[] = [];
  readonly random: SeededRandom;
  readonly order: Order;
  #at_ms: number;

  constructor(seed: number, order: Order) {
    this.order = order;
    this.random = chanceOf(seed, `life/${order.order_id}`);
    this.#at_ms = order.created_ms;
  }

  /** `hours`: how long after what was before, at least and at most. */
  add(type: string, hours: readonly [number, number], members: Readonly<Record<string, unknown>> = {}): void {
    const [least, most] = hours.map((count) => Math.round((count * HOUR_MS) / MINUTE_MS)) as [number, number];
    this.#at_ms += this.random.int(least, most) * MINUTE_MS;
    const { order_id } = this.order;
    this.events.push(eventOf(`${type}/${order_id}`, type, this.#at_ms, { order_id, ...members }));
  }

  status(new_status: string, old_status: string, hours: readonly [number, number]): void {
    this.add('order.status_changed', hours, { status: new_status, data: { old_status, new_status } });
  }
}

/** What becomes of an order: paid, sent, delivered or sent back, returned, refunded, disputed. */
export function lifeOf(seed: number, order: Order): readonly ShopEvent[] {
  const life = new Life(seed, order);
  const { random } = life;
  const isCod = order.payment_method === 'cod';
  const due = order.amount - order.discount + order.shipping;
  const paid = { currency: CURRENCY, amount: due, payment_method: order.payment_method };
  const { ip } = order.customer;
  if (!isCod) {
    const of = { ...paid, data: { ip, card: `card-of-${order.customer.customer_id}` } };
    if (random.chance(0.06)) life.add('payment.failed', [0, 0.02], { ...of, reason: 'declined' });
    life.add('payment.succeeded', [0, 0.05], of);
  }
  if (random.chance(0.04)) {
    life.add('order.cancelled', [0.2, 5], { status: 'cancelled', reason: random.pick(REASONS.slice(2)) });
    if (!isCod) life.add('refund.issued', [1, 20], { currency: CURRENCY, amount: due, reason: 'cancelled' });
    return life.events;
  }
  life.add('order.confirmed', [0.1, 1], { status: 'confirmed' });
  if (random.chance(0.03)) flagged(life);
  life.status('processing', 'confirmed', [0.5, 6]);
  const tracking_url = `https://track.example.com/${order.order_number}`;
  life.add('order.shipped', [2, 26], { status: 'shipped', data: { tracking_url } });
  if (random.chance(isCod ? 0.1 : 0.01)) {
    life.add('order.rto', [48, 120], { status: 'rto', reason: 'not accepted' });
    return life.events;
  }
  life.add('order.delivered', [20, 80], { status: 'delivered' });
  if (isCod) life.add('payment.succeeded', [0, 0.2], paid);
  if (random.chance(0.1)) returned(life);
  return life.events;
}

function flagged(life: Life): void {
  const { customer, amount } = life.order;
  const of = { customer_id: customer.customer_id, data: { ip: customer.ip, score: life.random.int(70, 99) } };
  life.add('fraud.flagged', [0, 0.5], { ...of, reason: 'velocity' });
  if (life.random.chance(0.5)) {
    life.add('chargeback.received', [24, 240], { ...of, currency: CURRENCY, amount, reason: 'fraud' });
  }
}

function returned(life: Life): void {
  const [item] = life.order.items;
  if (item === undefined) return;
  const items: readonly OrderItem[] = [{ ...item, quantity: 1 }];
  const reason = life.random.pick(REASONS);
  const return_number = `RET-${life.order.order_number.slice(4)}`;
  life.add('return.requested', [12, 120], { reason, items, data: { return_number } });
  life.add('return.received', [30, 100], { reason, items, data: { return_number } });
  const refund = { currency: CURRENCY, amount: item.unit_price, items };
  life.add('refund.issued', [1, 24], { ...refund, reason, data: { return_number } });
}
