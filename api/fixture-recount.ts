import { SeededRandom } from '../engine/index.ts';

/** A shop with corrections, and its orders counted again from nothing but events as they were sent. For tests. */

export type Plain = Readonly<Record<string, unknown>> & { readonly event_id: string; readonly type: string };

const HOUR_MS = 3_600_000;
/** Events lie in the 80 days from here on, on whole hours or half ones. */
export const SHOP_START_MS = Date.UTC(2025, 5, 15);

/** Visits, carts, orders, their new versions, payments, shipments, refunds, returns, frauds and what campaigns cost. */
export function correctedShop(seed: number, { visits = 90, customers = 16 } = {}): Plain[] {
  const random = new SeededRandom(seed);
  const events: Plain[] = [];
  const send = (type: string, at_ms: number, members: object): void => {
    const time = new Date(at_ms).toISOString();
    events.push({ event_id: `e${events.length}`, type, time, ...members } as Plain);
  };
  const later = (at_ms: number): number => at_ms + random.int(1, 12 * 24) * HOUR_MS;
  for (let n = 0; n < visits; n++) {
    const at_ms = SHOP_START_MS + random.int(0, 64 * 24) * HOUR_MS + HOUR_MS / 2;
    const customer_id = `c${random.int(1, customers)}`;
    const campaign = random.pick(['a', 'b']);
    const where = { channel: random.pick(['web', 'mobile', 'email']), country: random.pick(['GB', 'DE']) };
    const session_id = `s${random.int(1, (visits * 2) / 3)}`;
    send('visit', at_ms, { customer_id, campaign, ...where, session_id });
    if (random.chance(0.6)) send('add_to_cart', at_ms + HOUR_MS / 2, { customer_id, ...where, session_id });
    if (random.chance(0.1))
      send('campaign.spend', at_ms, { campaign, amount: random.int(1, 99), currency: 'EUR' });
    if (random.chance(0.3)) continue;
    const order = { order_id: `o${n}`, currency: 'EUR' };
    const said = () => ({ amount: random.int(100, 900), discount: random.int(0, 50) });
    const item = { sku: random.pick(['shirt', 'socks']), quantity: random.int(1, 3), unit_price: 100 };
    const first = {
      customer_id,
      campaign,
      ...where,
      session_id,
      items: [item],
      ip: `10.0.0.${random.int(1, 9)}`,
    };
    send('order.created', at_ms + HOUR_MS, { ...order, ...first, ...said() });
    if (random.chance(0.2)) send('order.updated', later(at_ms), { ...order, ...said() });
    // Sent again, under another id.
    if (random.chance(0.1)) send('order.created', later(at_ms), { ...order, customer_id, ...said() });
    if (random.chance(0.4)) send('order.shipped', later(at_ms), order);
    if (random.chance(0.5)) send('payment.succeeded', later(at_ms), { ...order, amount: 500 });
    if (random.chance(0.2)) send('payment.succeeded', later(at_ms), { ...order, amount: 10 });
    if (random.chance(0.3)) send('refund.issued', later(at_ms), { ...order, amount: random.int(1, 99) });
    if (random.chance(0.3)) send('return.requested', later(at_ms), order);
    if (random.chance(0.3)) send('return.received', later(at_ms), order);
    if (random.chance(0.2)) send('fraud.flagged', later(at_ms), { ...order, amount: random.int(1, 99) });
    if (random.chance(0.2)) send('chargeback.received', later(at_ms), { ...order, amount: 70 });
  }
  return events;
}

/** What an event counts for: at its time, for its customer. */
export interface Counted {
  readonly type: string;
  readonly at_ms: number;
  readonly order: string;
  readonly customer: string;
  readonly campaign: string;
  readonly session: string;
  readonly amount: number;
  readonly discount: number;
}

/** Each order once, as its newest version says, at its first time; other events with what they have from it. */
export function counted(events: readonly Plain[]): Counted[] {
  const byTime = events.toSorted((a, b) => {
    const [one, other] = [`${a.time}/${a.event_id}`, `${b.time}/${b.event_id}`];
    return one < other ? -1 : 1;
  });
  const orders = new Map<string, Plain>();
  for (const event of byTime.filter(({ type }) => type === 'order.created' || type === 'order.updated')) {
    const known = orders.get(String(event.order_id));
    orders.set(String(event.order_id), { ...known, ...event, time: known?.time ?? (event.time as string) });
  }
  const first = new Set<string>();
  return byTime.flatMap((event) => {
    const id = String(event.order_id ?? '');
    const order = orders.get(id);
    if (event.type === 'order.updated' || (event.type === 'order.created' && first.has(id))) return [];
    if (event.type === 'order.created') first.add(id);
    const whole: Readonly<Record<string, unknown>> =
      event.type === 'order.created' ? { ...order } : { ...order, amount: 0, discount: 0, ...event };
    return [
      {
        ...{ type: String(event.type), at_ms: Date.parse(String(event.time)), order: id },
        ...{ customer: String(whole.customer_id), campaign: String(whole.campaign) },
        ...{ session: String(whole.session_id ?? ''), amount: Number(whole.amount ?? 0) },
        discount: Number(whole.discount ?? 0),
      },
    ];
  });
}

export const isOrder = ({ type }: Counted): boolean => type === 'order.created';
export const isRefund = ({ type }: Counted): boolean => type === 'refund.issued';

/** Net revenue: amounts less discounts and refunds. */
export function netOf(facts: readonly Counted[]): number {
  return facts.reduce((sum, fact) => {
    if (isOrder(fact)) return sum + fact.amount - fact.discount;
    return isRefund(fact) ? sum - fact.amount : sum;
  }, 0);
}

export function grouped<T>(list: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}
