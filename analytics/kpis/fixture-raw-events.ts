import type { ShopEvent } from '../fixture-shop.ts';
import { randomOf } from './fixture-rows.ts';

/** Random events as publishers send them, and what each is worth: written down again, without rows or retractions. */

export const RAW_START_MS = Date.UTC(2026, 2, 25);
const DAY_MS = 86_400_000;
export const RAW_DAYS = 10;

/** What an event says, its order's members where it lacks its own. */
export interface RawFact {
  readonly type: string;
  readonly time_ms: number;
  readonly texts: Readonly<Record<string, string>>;
  readonly numbers: Readonly<Record<string, number>>;
}

const COUNTRIES = ['GB', 'DE', 'FR'];
const CHANNELS = ['web', 'app'];
const CURRENCIES = ['EUR', 'USD'];
const FREE_TYPES = ['wishlist.added', 'points.earned', 'quiz.taken'];
const TEXTS = ['country', 'channel', 'currency', 'campaign', 'customer_id', 'order_id', 'session_id'];
const NUMBERS = ['amount', 'discount', 'shipping', 'tax'];

type Members = Record<string, string | number>;

/** Orders with versions, payments and refunds that take from them, and types that nobody knows. */
export function rawEvents(seed: number, orders: number): ShopEvent[] {
  const random = randomOf(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const pick = (all: readonly string[]): string => all[below(all.length)] ?? '';
  const events: ShopEvent[] = [];
  const send = (type: string, time_ms: number, members: Members): void => {
    const time = new Date(time_ms).toISOString();
    events.push({ event_id: `e${events.length}`, type, time, ...members });
  };
  const some = (members: Members): Members =>
    Object.fromEntries(Object.entries(members).filter(() => random() < 0.6));
  const when = (): number => RAW_START_MS + below(RAW_DAYS * 1_440) * 60_000;
  const anything = (): Members => ({
    country: pick(COUNTRIES),
    channel: pick(CHANNELS),
    campaign: `k${below(3)}`,
    customer_id: `c${below(40)}`,
    session_id: `s${below(60)}`,
  });
  for (let order = 0; order < orders; order++) {
    const at_ms = when();
    const order_id = `o${order}`;
    const currency = pick(CURRENCIES);
    send('order.created', at_ms, { ...some(anything()), order_id, currency, amount: below(9_000) });
    if (random() < 0.3) {
      send('order_updated', at_ms + 60_000 * (1 + below(100)), {
        ...some({ ...anything(), amount: below(9_000) }),
        order_id,
      });
    }
    for (let payment = below(3); payment > 0; payment--) {
      const members = some({
        country: pick(COUNTRIES),
        campaign: `k${below(3)}`,
        discount: below(50),
        tax: below(90),
      });
      send(pick(['payment.succeeded', 'Refund_Issued']), when(), {
        ...members,
        order_id,
        amount: below(5_000),
      });
    }
    const free = {
      ...some(anything()),
      ...(random() < 0.7 ? { amount: below(300), currency: pick(CURRENCIES) } : {}),
    };
    send(pick(FREE_TYPES), when(), free);
  }
  return events;
}

const normal = (type: string): string => type.toLowerCase().replaceAll(/[_-]/g, '.');

/** What the events are worth together. */
export function factsOf(events: readonly ShopEvent[]): RawFact[] {
  const versions = new Map<string, Members>();
  const ordered = events
    .filter(({ type }) => ['order.created', 'order.updated'].includes(normal(type)))
    .toSorted((a, b) => (a.time === b.time ? (a.event_id < b.event_id ? -1 : 1) : a.time < b.time ? -1 : 1));
  for (const { event_id: _i, type: _t, time: _m, ...members } of ordered) {
    const id = String(members.order_id);
    versions.set(id, { ...versions.get(id), ...(members as Members) });
  }
  const isKnown = new Set(
    events.filter(({ type }) => type === 'order.created').map((event) => event.order_id),
  );
  return events.map((event) => {
    const type = normal(event.type);
    const order = isKnown.has(event.order_id) ? versions.get(String(event.order_id)) : undefined;
    // An order says what its newest version says; what belongs to it keeps what it says itself. Amounts are its own.
    const { amount, discount, shipping, tax, session_id, ...given } = order ?? {};
    const all: Record<string, unknown> =
      type === 'order.created' ? { ...event, ...order } : { ...(order === undefined ? {} : given), ...event };
    const members = <T>(names: readonly string[], type: 'string' | 'number'): Record<string, T> =>
      Object.fromEntries(
        names.flatMap((name) => (typeof all[name] === type ? [[name, all[name] as T]] : [])),
      );
    return {
      type,
      time_ms: Date.parse(event.time),
      texts: members<string>(TEXTS, 'string'),
      numbers: members<number>(NUMBERS, 'number'),
    };
  });
}

export const RAW_END_MS = RAW_START_MS + (RAW_DAYS + 1) * DAY_MS;
