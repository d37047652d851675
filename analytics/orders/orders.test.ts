import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import type { ListedOrder } from './index.ts';

const START = Date.UTC(2025, 2, 1);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HOURS = 30 * 24;
const RANGE = { start: iso(START), end: iso(START + HOURS * HOUR_MS) };

interface Event extends ShopEvent {
  readonly order_id?: string;
  readonly customer_id?: string;
  readonly status?: string;
  readonly amount?: number;
  readonly discount?: number;
  readonly currency?: string;
  readonly payment_method?: string;
  readonly channel?: string;
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

/** Orders with their lives; times of one order are never equal, for then ids would decide. */
function shop(seed: number, orders = 200): Event[] {
  const random = new SeededRandom(seed);
  const events: Event[] = [];
  for (let n = 0; n < orders; n++) {
    const created_ms = START + random.int(-3 * 24, HOURS + 48) * HOUR_MS;
    const used = new Set([created_ms]);
    const send = (type: string, at_ms: number, members: Partial<Event>): void => {
      let own_ms = at_ms;
      while (used.has(own_ms)) own_ms += 1_000;
      used.add(own_ms);
      const time = iso(type === 'order.created' ? created_ms : own_ms);
      events.push({ event_id: `e${n}-${events.length}`, type, time, ...members } as Event);
    };
    const isLoner = random.int(1, 20) === 1;
    const of = isLoner ? {} : { order_id: `o${n}` };
    const status = (): Partial<Event> =>
      random.int(1, 3) === 1 ? { status: random.pick(['Pending', 'on_hold', 'delivered', 'canceled']) } : {};
    const members = (): Partial<Event> => ({
      ...{ amount: random.int(100, 9_999), currency: 'EUR', customer_id: `c${random.int(1, 40)}` },
      ...(random.int(1, 2) === 1 ? { discount: random.int(0, 99) } : {}),
      ...(random.int(1, 4) > 1
        ? { payment_method: random.pick(['COD', 'card', 'cash_on_delivery', 'upi']) }
        : {}),
      ...(random.int(1, 3) > 1 ? { channel: random.pick(['web', 'app']) } : {}),
      ...status(),
    });
    if (random.int(1, 25) > 1) send('order.created', created_ms, { ...of, ...members() });
    if (isLoner) continue;
    const later = (): number => created_ms + random.int(-30, 20 * 24) * HOUR_MS;
    const types = [
      ...['order.confirmed', 'order.shipped', 'order.delivered', 'order.cancelled', 'order.rto'],
      ...['order.status_changed', 'order.updated', 'payment.succeeded', 'payment.failed', 'refund.issued'],
    ];
    for (const type of types) {
      if (random.int(1, 4) > 1) continue;
      const own: Partial<Event> =
        type === 'order.status_changed'
          ? { status: random.pick(['packed', 'delivered', 'rto', 'cancelled']) }
          : type === 'order.updated'
            ? { amount: random.int(100, 9_999), ...status() }
            : type.startsWith('order.')
              ? {}
              : { amount: random.int(1, 9_999), currency: 'EUR' };
      send(type, later(), { ...of, ...own });
    }
  }
  return events;
}

interface Life {
  readonly id: string;
  readonly created_ms: number;
  readonly status: string;
  readonly payment: string;
  readonly kind: string;
  readonly shipped: boolean;
  readonly gross: number;
  readonly discount: number;
  readonly channel: string | null;
  readonly customer: string;
}

const plain = (text: string): string => text.toLowerCase().replace('canceled', 'cancelled');

/** Each order of the raw events, said once more and naively. */
function livesOf(events: readonly Event[], follow_days: number): Life[] {
  const sorted = events.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
  return sorted.flatMap((created): Life[] => {
    if (created.type !== 'order.created') return [];
    const created_ms = Date.parse(created.time);
    const all =
      created.order_id === undefined ? [created] : sorted.filter((one) => one.order_id === created.order_id);
    const near = all.filter(({ time }) => {
      const at_ms = Date.parse(time);
      return at_ms >= created_ms - DAY_MS && at_ms < created_ms + follow_days * DAY_MS;
    });
    const versions = all.filter(({ type }) => type === 'order.created' || type === 'order.updated');
    const now: Event = Object.assign({}, ...versions, { time: created.time, type: 'order.created' });
    // Times of versions that have a status and of the events that say one, the last of which counts.
    const withStatus = near
      .filter((one) => versions.includes(one))
      .filter(({ status }) => status !== undefined)
      .at(-1);
    const status_ms = Math.max(created_ms, withStatus === undefined ? 0 : Date.parse(withStatus.time));
    const said = near.filter(
      ({ type, time }) =>
        /status|confirmed|shipped|delivered|cancelled|rto/.test(type) && Date.parse(time) >= status_ms,
    );
    const last = said.at(-1);
    const status =
      last === undefined
        ? plain(now.status ?? 'pending')
        : plain(last.status ?? last.type.slice('order.'.length));
    const sum = (type: string) =>
      near.filter((one) => one.type === type).reduce((all, { amount = 0 }) => all + amount, 0);
    const [paid, refunded] = [sum('payment.succeeded'), sum('refund.issued')];
    const total = (now.amount ?? 0) - (now.discount ?? 0);
    const payment =
      refunded > 0
        ? refunded >= (paid > 0 ? paid : total)
          ? 'refunded'
          : 'partially_refunded'
        : paid > 0
          ? paid >= total
            ? 'paid'
            : 'partially_paid'
          : near.some(({ type }) => type === 'payment.failed')
            ? 'failed'
            : 'pending';
    const kind =
      now.payment_method === undefined ? 'unknown' : /cod|cash/i.test(now.payment_method) ? 'cod' : 'prepaid';
    const shipped =
      near.some(({ type }) => type === 'order.shipped') || ['shipped', 'delivered', 'rto'].includes(status);
    return [
      {
        ...{ id: created.order_id ?? created.event_id, created_ms, status, payment, kind, shipped },
        ...{ gross: now.amount ?? 0, discount: now.discount ?? 0, channel: now.channel ?? null },
        customer: now.customer_id ?? '',
      },
    ];
  });
}

const isIn = ({ created_ms }: Life): boolean => created_ms >= START && created_ms < START + HOURS * HOUR_MS;

function outcome(lives: readonly Life[]) {
  const of = (status: string): number => lives.filter((one) => one.status === status).length;
  const orders = lives.length;
  const rate = (count: number): number | null => (orders === 0 ? null : count / orders);
  const [delivered, cancelled, rto] = [of('delivered'), of('cancelled'), of('rto')];
  return {
    ...{ orders, delivered, cancelled, rto, shipped: lives.filter(({ shipped }) => shipped).length },
    gross: lives.reduce((sum, { gross }) => sum + gross, 0),
    discount: lives.reduce((sum, { discount }) => sum + discount, 0),
    ...{ delivery_rate: rate(delivered), cancellation_rate: rate(cancelled), rto_rate: rate(rto) },
  };
}

interface Outcomes {
  readonly totals: object;
  readonly statuses: readonly ({ readonly status: string } & object)[];
  readonly payment_statuses: readonly ({ readonly payment_status: string } & object)[];
  readonly payment_kinds: readonly ({ readonly payment_kind: string } & object)[];
  readonly groups: readonly ({ readonly key: { readonly channel: string | null } } & object)[];
}
interface Listed {
  readonly orders_total: number;
  readonly orders: readonly ListedOrder[];
  readonly next: { readonly time_ms: number; readonly key: string } | null;
}

describe('what became of orders', () => {
  it.each(seedsOf(1, 2, 3))('is what a brute force says, whatever the arrival (seed %i)', async (seed) => {
    const events = shop(seed);
    const state = await ShopState.of(events);
    const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 41 });
    for (const [channel, follow_days] of [
      [undefined, 365],
      ['web', 365],
      [undefined, 5],
    ] as const) {
      const lives = livesOf(events, follow_days)
        .filter(isIn)
        .filter((life) => channel === undefined || life.channel === channel);
      const filters = channel === undefined ? {} : { channel };
      const query = { ...RANGE, filters, follow_up: `${follow_days}d`, group_by: ['channel'], limit: 1_000 };
      const body = (await state.ask(state.kinds.outcomes, query)).body as unknown as Outcomes;
      expect(body.totals).toEqual(outcome(lives));
      const same = (
        members: readonly object[],
        of: (life: Life) => unknown,
        by: (one: never) => unknown,
      ): void => {
        expect(members).toHaveLength(new Set(lives.map(of)).size);
        for (const one of members)
          expect(one).toMatchObject(outcome(lives.filter((life) => of(life) === by(one as never))));
      };
      same(
        body.statuses,
        ({ status }) => status,
        ({ status }: Outcomes['statuses'][number]) => status,
      );
      same(
        body.payment_statuses,
        ({ payment }) => payment,
        (one: Outcomes['payment_statuses'][number]) => one.payment_status,
      );
      same(
        body.payment_kinds,
        ({ kind }) => kind,
        (one: Outcomes['payment_kinds'][number]) => one.payment_kind,
      );
      same(
        body.groups,
        (life) => life.channel,
        (one: Outcomes['groups'][number]) => one.key.channel,
      );
      const again = (await shuffled.ask(shuffled.kinds.outcomes, query)).body;
      expect(JSON.stringify(again)).toBe(JSON.stringify(body));
    }
    const kpis = await state.ask(state.kinds.kpis, {
      ...RANGE,
      metrics: ['orders_count', 'revenue'],
      currency: 'EUR',
    });
    const { totals } = (await state.ask(state.kinds.outcomes, RANGE)).body as unknown as {
      readonly totals: { readonly orders: number; readonly gross: number };
    };
    expect((kpis as unknown as { groups: { totals: object }[] }).groups[0]?.totals).toEqual({
      ...{ orders_count: totals.orders, revenue: totals.gross },
    });
  });

  it('is a list of orders, page by page', async () => {
    const events = shop(7);
    const lives = livesOf(events, 365).filter(isIn);
    const state = await ShopState.of(events, { shuffle: 7, commit_events: 33 });
    for (const order of ['asc', 'desc'] as const) {
      const seen: ListedOrder[] = [];
      let after: object = {};
      for (let more = true; more; ) {
        const body = (await state.ask(state.kinds.orders, { ...RANGE, order, limit: 17, ...after }))
          .body as unknown as Listed;
        expect(body.orders_total).toBe(lives.length);
        seen.push(...body.orders);
        after = { after: body.next };
        more = body.next !== null;
      }
      const sign = order === 'asc' ? 1 : -1;
      expect(seen.map(({ created_ms }) => created_ms)).toEqual(
        lives.map(({ created_ms }) => created_ms).sort((a, b) => sign * (a - b)),
      );
      const told = (one: { created_ms: number; status: string; gross: number; payment: string }) =>
        JSON.stringify(one);
      expect(
        seen
          .map(({ created_ms, status, amount, payment_status }) =>
            told({ created_ms, status, gross: amount ?? 0, payment: payment_status }),
          )
          .sort(),
      ).toEqual(
        lives
          .map(({ created_ms, status, gross, payment }) => told({ created_ms, status, gross, payment }))
          .sort(),
      );
    }
  });

  it('finds orders by id, customer and status', async () => {
    const events = shop(9);
    const lives = livesOf(events, 365).filter(isIn);
    const state = await ShopState.of(events);
    const count = async (query: object): Promise<number> =>
      ((await state.ask(state.kinds.orders, { ...RANGE, ...query })).body as unknown as Listed).orders_total;
    const [first] = lives;
    expect(await count({ order_ids: [first?.id, 'nobody'] })).toBe(1);
    expect(await count({ customer_ids: ['c3', 'c4'] })).toBe(
      lives.filter(({ customer }) => customer === 'c3' || customer === 'c4').length,
    );
    expect(await count({ statuses: ['Delivered'] })).toBe(
      lives.filter(({ status }) => status === 'delivered').length,
    );
    expect(await count({ payment_statuses: ['paid'] })).toBe(
      lives.filter(({ payment }) => payment === 'paid').length,
    );
  });
});
