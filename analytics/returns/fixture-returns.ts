import { SeededRandom } from '../../engine/index.ts';
import type { ShopEvent } from '../fixture-shop.ts';

/** A shop with returns and refunds, and what a brute force over its raw events says of them. For tests. */

export const START = Date.UTC(2025, 2, 1);
export const END = Date.UTC(2025, 4, 1);
const HOUR_MS = 3_600_000;
const DAYS = (END - START) / (24 * HOUR_MS);

export interface Item {
  readonly sku: string;
  readonly category: string;
  readonly quantity: number;
  readonly unit_price: number;
}
interface Event extends Record<string, unknown> {
  readonly event_id: string;
  readonly type: string;
  readonly time: string;
  readonly order_id?: string;
  readonly amount?: number;
  readonly discount?: number;
  readonly items?: readonly Item[];
}

const iso = (at_ms: number): string => new Date(at_ms).toISOString();

export function returnsShop(seed: number, orders = 250): ShopEvent[] {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  // Whole hours: ties. Beyond both ends of the range.
  const hour = (): number => START + random.int(-40 * 24, (DAYS + 40) * 24) * HOUR_MS;
  const items = (): Item[] =>
    Array.from({ length: random.int(1, 4) }, () => ({
      sku: `s${random.int(1, 6)}`,
      category: `k${random.int(1, 2)}`,
      ...{ quantity: random.int(1, 3), unit_price: random.int(0, 20) * 7 },
    }));
  const maybe = (one: number, in_: number, members: () => object): object =>
    random.int(1, in_) <= one ? members() : {};
  for (let n = 0; n < orders; n++) {
    const order_id = `o${n}`;
    const at_ms = hour();
    const version = () => ({
      ...{ amount: random.int(1, 9_999), discount: random.int(0, 200), currency: 'EUR' },
      ...maybe(3, 4, () => ({ items: items() })),
      ...maybe(1, 3, () => ({ sku: `s${random.int(1, 6)}` })),
      ...maybe(3, 4, () => ({ channel: random.pick(['web', 'app', 'shop']) })),
    });
    const send = (id: string, type: string, time_ms: number, members: object): void => {
      events.push({ event_id: `${id}-${n}`, type, time: iso(time_ms), ...members });
    };
    const isLoner = random.int(1, 12) === 1;
    send('a', 'order.created', at_ms, { ...(isLoner ? {} : { order_id }), ...version() });
    if (!isLoner && random.int(1, 4) === 1)
      send('b', 'order.updated', at_ms + 1_000, { order_id, ...version() });
    const later = (): number => at_ms + random.int(0, 60 * 24) * HOUR_MS;
    const of = random.int(1, 15) === 1 ? {} : { order_id: random.int(1, 15) === 1 ? `never${n}` : order_id };
    const own = () => ({
      ...maybe(1, 3, () => ({ items: items() })),
      ...maybe(1, 4, () => ({ channel: random.pick(['web', 'app']) })),
    });
    for (let at = random.int(0, 3); at > 1; at--) {
      send(`r${at}`, 'refund.issued', later(), {
        ...of,
        amount: random.int(1, 5_000),
        currency: 'EUR',
        ...own(),
      });
    }
    for (let at = random.int(0, 4); at > 1; at--) {
      const reason = () => ({ reason: random.pick(['broken', 'size', 'late']) });
      if (random.int(1, 4) > 1)
        send(`q${at}`, 'return.requested', later(), { ...of, ...own(), ...maybe(2, 3, reason) });
      if (random.int(1, 4) > 1)
        send(`v${at}`, 'return.received', later(), { ...of, ...own(), ...maybe(2, 3, reason) });
    }
  }
  return events;
}

/** An event as it counts: with what it has from its order. */
export interface Fact {
  readonly type: string;
  readonly time_ms: number;
  readonly order: string | undefined;
  /** When the order was created; undefined: it is of none. */
  readonly order_ms: number | undefined;
  readonly values: Readonly<Record<string, string>>;
  readonly amount: number;
  readonly discount: number;
  readonly items: readonly Item[] | undefined;
}

const DIMENSIONS = ['channel', 'sku', 'category', 'reason'];

/** Orders once, as their newest version says; other events with what they inherit. */
export function factsOf(sent: readonly ShopEvent[]): Fact[] {
  const events = sent as unknown as readonly Event[];
  const orders = new Map<string, Event>();
  const sorted = events.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  const created = sorted.filter(({ type }) => type === 'order.created');
  for (const event of created) {
    const { order_id, time } = event;
    if (order_id === undefined) continue;
    const versions = sorted.filter((one) => one.type === 'order.updated' && one.order_id === order_id);
    orders.set(order_id, { ...Object.assign({}, event, ...versions), type: 'order.created', time });
  }
  return sorted.flatMap((event) => {
    if (event.type === 'order.updated') return [];
    const order = event.order_id === undefined ? undefined : orders.get(event.order_id);
    const whole: Event = event.type === 'order.created' ? (order ?? event) : { ...event };
    const time_ms = Date.parse(event.time);
    const order_ms = event.type === 'order.created' ? time_ms : order && Date.parse(order.time);
    return [
      {
        ...{ type: event.type, time_ms, order: event.order_id, order_ms },
        values: Object.fromEntries(
          DIMENSIONS.map((name) => [name, String(whole[name] ?? order?.[name] ?? '')]),
        ),
        ...{ amount: whole.amount ?? 0, discount: whole.discount ?? 0, items: whole.items ?? order?.items },
      },
    ];
  });
}

export interface Share {
  readonly value: string;
  readonly units: number;
  readonly gross: number;
  readonly discount: number;
  readonly amount: number;
}

/** Σ of parts by the largest remainder, the first of equals first. */
function split(amount: number, weights: readonly number[]): number[] {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  if (all === 0) return weights.map((_, at) => (at === 0 ? amount : 0));
  const exact = weights.map((weight) => BigInt(amount) * BigInt(weight));
  const parts = exact.map((product) => Number(product / BigInt(all)));
  const left = amount - parts.reduce((sum, part) => sum + part, 0);
  const byRest = exact
    .map((product, at) => ({ at, rest: Number(product % BigInt(all)) }))
    .sort((a, b) => b.rest - a.rest || a.at - b.at);
  for (const { at } of byRest.slice(0, left)) parts[at] = (parts[at] as number) + 1;
  return parts;
}

/** A fact by the values of a dimension ('' for all together), of lines of one sku only where `sku` is given. */
export function sharesOf(fact: Fact, dimension: string, sku?: string): Share[] {
  const { items, values, amount, discount } = fact;
  const isOfItems = dimension === 'sku' || dimension === 'category' || sku !== undefined;
  const units = (items ?? []).reduce((sum, { quantity }) => sum + quantity, 0);
  const value = dimension === '' ? '' : (values[dimension] as string);
  if (items === undefined || !isOfItems) {
    if (sku !== undefined && items === undefined && values.sku !== sku) return [];
    return [{ value, units, gross: amount, discount, amount }];
  }
  const weights = items.map(({ quantity, unit_price }) => quantity * unit_price);
  const [amounts, discounts] = [split(amount, weights), split(discount, weights)];
  const shares = new Map<string, Share>();
  for (const [at, item] of items.entries()) {
    if (sku !== undefined && item.sku !== sku) continue;
    const own = dimension === 'sku' || dimension === 'category' ? item[dimension] : value;
    const known = shares.get(own) ?? { value: own, units: 0, gross: 0, discount: 0, amount: 0 };
    shares.set(own, {
      ...{ value: own, units: known.units + item.quantity, gross: known.gross + (weights[at] as number) },
      discount: known.discount + (discounts[at] as number),
      amount: known.amount + (amounts[at] as number),
    });
  }
  return [...shares.values()];
}
