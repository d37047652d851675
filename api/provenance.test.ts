import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';

let test: TestApi;
let key: string;
const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

type Plain = Readonly<Record<string, string | number>>;

/** Visits, orders and refunds of five customers in August. */
function shop(): Plain[] {
  const random = new SeededRandom(5);
  const events: Plain[] = [];
  for (let n = 0; n < 80; n++) {
    const time = `2025-08-${String(random.int(1, 28)).padStart(2, '0')}T${String(n % 24).padStart(2, '0')}:10:00Z`;
    const base = {
      event_id: `e${n}`,
      time,
      customer_id: `c${random.int(1, 5)}`,
      campaign: random.pick(['a', 'b']),
    };
    if (random.int(1, 2) === 1) events.push({ ...base, type: 'visit' });
    else {
      const amount = random.int(1, 900);
      events.push({ ...base, type: 'order.created', order_id: `o${n}`, amount, currency: 'EUR' });
      if (random.int(1, 3) === 1)
        events.push({
          ...{ event_id: `r${n}`, type: 'refund.issued', time: '2025-08-30T00:00:00Z', order_id: `o${n}` },
          ...{ customer_id: base.customer_id, amount: random.int(1, amount), currency: 'EUR' },
        });
    }
  }
  return events;
}

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
  expect((await test.send('/ingest', { key, json: shop() })).status).toBe(202);
  await test.apply();
});
afterEach(() => test.close());

async function ask<T>(path: string, json: object): Promise<T> {
  const response = await test.send(path, { key, json });
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

interface Explained {
  readonly explain: {
    readonly definition_hash: string;
    readonly position: object;
    readonly events: { readonly path: string; readonly body: object };
  };
}

/** The payloads that the link of an answer lists, all pages. */
async function listed({ explain }: Explained): Promise<Plain[]> {
  const events: Plain[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: { events: { payload: Plain }[]; next_cursor: string | null } = await ask(
      explain.events.path,
      {
        ...explain.events.body,
        ...(cursor === null ? {} : { cursor }),
      },
    );
    events.push(...page.events.map(({ payload }) => payload));
    cursor = page.next_cursor;
    if (cursor === null) return events;
  }
}

const sum = (events: readonly Plain[], type: string): number =>
  events.filter((event) => event.type === type).reduce((all, { amount }) => all + Number(amount), 0);

describe('the events behind a number, which `explain` lists', () => {
  it('give the money of each customer', async () => {
    const answer = await ask<Explained & { customers: { customer_id: string; monetary: number }[] }>(
      '/customers/rfm',
      { ...RANGE, explain: true },
    );
    const events = await listed(answer);
    expect(answer.customers.length).toBeGreaterThan(3);
    for (const { customer_id, monetary } of answer.customers) {
      const own = events.filter((event) => event.customer_id === customer_id);
      expect(monetary).toBe(sum(own, 'order.created') - sum(own, 'refund.issued'));
    }
  });

  it('give the members of a cohort', async () => {
    const answer = await ask<Explained & { size: number }>('/cohorts/adhoc-retention', {
      ...{ ...RANGE, explain: true, criteria: { type: 'event', start: { event: 'visit' } } },
    });
    const events = await listed(answer);
    const visitors = events.filter(({ type }) => type === 'visit').map(({ customer_id }) => customer_id);
    expect(answer.size).toBe(new Set(visitors).size);
  });

  it('give the revenue that is attributed, and stay those of the answer', async () => {
    interface Attributed extends Explained {
      readonly totals: { readonly revenue: number; readonly conversions: number };
    }
    const answer = await ask<Attributed>('/attribution/query', { ...RANGE, explain: true });
    const late = { event_id: 'late', type: 'order.created', time: '2025-08-02T00:00:00Z', amount: 7 };
    expect(
      (await test.send('/ingest', { key, json: [{ ...late, order_id: 'x', currency: 'EUR' }] })).status,
    ).toBe(202);
    await test.apply();
    const events = await listed(answer);
    expect(answer.totals.revenue).toBe(sum(events, 'order.created') - sum(events, 'refund.issued'));
    expect(answer.totals.conversions).toBe(events.filter(({ type }) => type === 'order.created').length);
  });

  it('have a hash of what was asked, whatever the way of asking', async () => {
    const hash = async (more: object): Promise<string> =>
      (await ask<Explained>('/customers/rfm', { ...RANGE, explain: true, ...more })).explain.definition_hash;
    const first = await hash({});
    expect(await hash({ limit: 3, force_fresh: false })).toBe(first);
    expect(await hash({ scoring: 'ntile' })).not.toBe(first);
  });
});
