import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const QUERY = { start: '2025-06-01T00:00:00Z', end: '2025-09-01T00:00:00Z' };
const DAY_MS = 86_400_000;

interface LtvAnswer {
  readonly customers: readonly Readonly<Record<string, number | string>>[];
  readonly next_cursor: string | null;
  readonly cohorts: readonly { readonly size: number }[];
}

/** Forty customers, every second of whom comes back. */
async function shop(): Promise<void> {
  const events: unknown[] = [];
  for (let n = 0; n < 40; n++) {
    const orders = n % 2 === 0 ? 1 : 1 + (n % 5);
    for (let at = 0; at < orders; at++) {
      const time = new Date(Date.parse('2025-06-03T10:00:00Z') + (n + at * (7 + n)) * DAY_MS);
      if (time.getTime() > Date.parse('2025-09-01T10:00:00Z')) continue;
      const members = { order_id: `o${n}-${at}`, customer_id: `c${n}`, time: time.toISOString() };
      events.push(orderEvent(`e${n}-${at}`, { ...members, amount: 1_000 + n * 100 }));
    }
  }
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  await test.apply();
}

async function ask(json: object): Promise<LtvAnswer> {
  const response = await test.send('/customers/ltv', { key, json: { ...QUERY, ...json } });
  expect(response.status).toBe(200);
  return (await response.json()) as LtvAnswer;
}

describe('POST /customers/ltv', () => {
  it('answers cohorts, and customers page by page', async () => {
    await shop();
    const historical = await ask({});
    expect(historical).toMatchObject({ model: 'historical', currency: 'GBP', customers_total: 40 });
    expect(historical.cohorts.map(({ size }) => size)).toEqual([28, 12]);
    expect(historical).not.toHaveProperty('next_cursor');

    const predictive = { model: 'predictive', horizon: '90d', order_by: 'churn', limit: 15 };
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: LtvAnswer = await ask({ ...predictive, ...(cursor === null ? {} : { cursor }) });
      seen.push(...page.customers.map(({ customer_id }) => String(customer_id)));
      const purchases = page.customers.map(({ expected_purchases }) => Number(expected_purchases));
      expect(purchases).toEqual(purchases.toSorted((a, b) => a - b));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(40);
    expect(seen).toHaveLength(40);
  });

  it('refuses what it cannot say, by name', async () => {
    const refused = async (json: object) =>
      codeOf(await test.send('/customers/ltv', { key, json: { ...QUERY, ...json } }));
    expect(await refused({ model: 'predictive' })).toBe('not_enough_data');
    await shop();
    expect(await refused({ model: 'magic' })).toBe('validation_failed');
    expect(await refused({ horizon: '0d' })).toBe('validation_failed');
    expect(await refused({ model: 'predictive', cursor: 'x' })).toBe('invalid_cursor');
    expect(await refused({ bucket: 'day', periods: 120, start: '2020-01-01T00:00:00Z' })).toBe(
      'too_many_points',
    );
    const short = { model: 'predictive', start: '2025-07-10T00:00:00Z' };
    expect(await refused(short)).toBe('not_enough_data');
  });
});
