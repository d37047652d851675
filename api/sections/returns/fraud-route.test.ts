import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { seedsOf } from '../../../test/long.ts';
import { codeOf, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const QUERY = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

interface Raw {
  readonly event_id: string;
  readonly type: string;
  readonly time: string;
  readonly order_id: string;
  readonly customer_id?: string;
  readonly amount: number;
  readonly currency: string;
  readonly data: Readonly<Record<string, string>>;
}

const TYPES = ['order.created', 'payment.succeeded', 'fraud.flagged', 'chargeback.received', 'visit'];

function shop(seed: number): Raw[] {
  const random = new SeededRandom(seed);
  const events = Array.from({ length: 400 }, (_, n): Raw => {
    const day = String(random.int(1, 31)).padStart(2, '0');
    const order = random.int(1, 80);
    const card = random.pick(['card_fingerprint', 'card', 'card_hash']);
    return {
      ...{ event_id: `e${n}`, type: random.pick(TYPES), order_id: `o${order}` },
      time: `2025-${random.pick(['07', '08'])}-${day}T1${random.int(0, 9)}:00:00Z`,
      ...(random.int(1, 3) > 1 ? { customer_id: `c${order % 23}` } : {}),
      ...{ amount: random.int(1, 900), currency: 'EUR' },
      data: {
        ...(random.int(1, 4) > 1 ? { ip: `10.0.0.${random.int(1, 12)}` } : {}),
        ...(random.int(1, 2) > 1 ? { [card]: `k${random.int(1, 9)}` } : {}),
      },
    };
  });
  return random.shuffled([...events, ...events.slice(0, 50)]);
}

const unique = (events: readonly Raw[]): Raw[] => [
  ...new Map(events.map((event) => [event.event_id, event])).values(),
];

/** By hand: customers and cards by address. */
function clustersOf(events: readonly Raw[]) {
  const inRange = unique(events).filter(({ time, type }) => time.startsWith('2025-08') && type !== 'visit');
  const withIp = inRange.filter(({ data }) => data.ip !== undefined);
  return [...new Set(withIp.map(({ data }) => data.ip as string))].map((ip) => {
    const own = withIp.filter(({ data }) => data.ip === ip);
    const customers = own.flatMap(({ customer_id, order_id }) => {
      const other = withIp.filter((event) => event.order_id === order_id && event.customer_id !== undefined);
      return customer_id ?? other[0]?.customer_id ?? [];
    });
    const cards = own.flatMap(({ data }) => data.card_fingerprint ?? data.card ?? data.card_hash ?? []);
    const count = (type: string) => own.filter((event) => event.type === type).length;
    return {
      ...{ ip, customers: new Set(customers).size, cards: new Set(cards).size, events: own.length },
      ...{ fraud_flags: count('fraud.flagged'), chargebacks: count('chargeback.received') },
    };
  });
}

interface Answer {
  readonly groups: readonly {
    readonly buckets: readonly Readonly<Record<string, number>>[];
    readonly totals: Readonly<Record<string, number | null>>;
  }[];
  readonly ip_clusters: {
    readonly complete: boolean;
    readonly clusters: readonly {
      readonly ip: string;
      readonly customers: number;
      readonly cards: number;
      readonly events: number;
      readonly list: { readonly path: string; readonly body: object };
    }[];
  } | null;
  readonly meta: { readonly warnings: readonly string[]; readonly approximate: readonly string[] };
}

async function send(events: readonly unknown[]): Promise<void> {
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  await test.apply();
}

async function ask(json: object = {}, as = key): Promise<Answer> {
  const response = await test.send('/fraud/trends', { key: as, json: { ...QUERY, ...json } });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

describe('POST /fraud/trends', () => {
  it.each(seedsOf(1, 2))('counts and finds addresses as a brute force does (seed %i)', async (seed) => {
    const events = shop(seed);
    await send(events);
    const answer = await ask({ min_customers: 4, min_cards: 5, granularity: '1d' });
    const own = unique(events);
    const inRange = own.filter(({ time }) => time.startsWith('2025-08'));
    const of = (type: string) => inRange.filter((event) => event.type === type);
    const sum = (type: string) => of(type).reduce((all, { amount }) => all + amount, 0);
    // An order is paid at its first payment, wherever that lies.
    const payments = own.filter(({ type }) => type === 'payment.succeeded');
    const firsts = new Map<string, string>();
    for (const { order_id, time } of payments)
      if (time < (firsts.get(order_id) ?? '9')) firsts.set(order_id, time);
    const orders_paid = [...firsts.values()].filter((time) => time.startsWith('2025-08')).length;
    expect(answer.groups[0]?.totals).toEqual({
      ...{ fraud_flags: of('fraud.flagged').length, fraud_amount: sum('fraud.flagged') },
      ...{ chargebacks: of('chargeback.received').length, chargeback_amount: sum('chargeback.received') },
      chargeback_rate: of('chargeback.received').length / orders_paid,
      ...{ orders_paid, revenue_paid: sum('payment.succeeded') },
    });
    const buckets = answer.groups[0]?.buckets ?? [];
    expect(buckets).toHaveLength(31);
    const flags = buckets.reduce((all, { fraud_flags }) => all + (fraud_flags ?? 0), 0);
    expect(flags).toBe(of('fraud.flagged').length);
    const wanted = clustersOf(events)
      .filter(({ customers, cards }) => customers >= 4 || cards >= 5)
      .sort((a, b) => b.customers - a.customers || b.cards - a.cards || (a.ip < b.ip ? -1 : 1));
    expect(wanted.length).toBeGreaterThan(3);
    expect(answer.ip_clusters?.complete).toBe(true);
    expect(answer.ip_clusters?.clusters).toMatchObject(wanted);
    // The events behind a cluster are those that it counts.
    const [first] = answer.ip_clusters?.clusters ?? [];
    const listed = await test.send(first?.list.path ?? '', {
      key,
      json: { ...first?.list.body, limit: 500 },
    });
    expect(((await listed.json()) as { events: unknown[] }).events).toHaveLength(first?.events ?? -1);
  });

  it('reads no payloads where nobody wants them, nor for who may not see them', async () => {
    await send(shop(3));
    expect((await ask({ ip_clusters: false })).ip_clusters).toBeNull();
    const viewer = await test.key('viewer');
    expect((await ask({}, viewer)).ip_clusters).not.toBeNull();
    const settings = await test.send('/settings', {
      key,
      method: 'PATCH',
      json: { pii_fields: ['data.ip'] },
    });
    expect(settings.status).toBe(200);
    const masked = await ask({}, viewer);
    expect(masked.ip_clusters).toBeNull();
    const cut = await ask({ max_events: 40 });
    expect(cut).toMatchObject({ ip_clusters: { complete: false }, meta: { approximate: ['ip_clusters'] } });
    expect(cut.meta.warnings).toEqual([expect.stringContaining('shorter range')]);
    expect(masked.meta.warnings).toEqual([expect.stringContaining('masks')]);
    expect((await ask()).ip_clusters).not.toBeNull();
  });

  it('says what is wrong by name, and plans', async () => {
    const refused = async (json: object) =>
      codeOf(await test.send('/fraud/trends', { key, json: { ...QUERY, ...json } }));
    expect(await refused({ min_customers: 1 })).toBe('validation_failed');
    expect(await refused({ granularity: '2d' })).toBe('validation_failed');
    expect(await refused({ end: QUERY.start })).toBe('invalid_range');
    const planned = await test.send('/fraud/trends?dry_run=true', { key, json: QUERY });
    expect(await planned.json()).toMatchObject({ dry_run: true, plan: { source: 'scan' } });
  });
});
