import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 1, 1);
const DAYS = 200;
const CUSTOMERS = 150;

let test: TestApi;
let admin: string;
beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterEach(() => test.close());

const timeOf = (day: number): string => new Date(FIRST_MS + day * DAY_MS + 36_000_000).toISOString();

/** Every third customer buys each two or three weeks for all days; another third for a while; others once. */
function orders(): Json[] {
  return Array.from({ length: CUSTOMERS }, (_, customer) => {
    const [kind, first, step] = [customer % 3, customer % 40, 10 + (customer % 13)];
    const last = kind === 0 ? DAYS : kind === 1 ? 90 + (customer % 30) : first;
    const found: Json[] = [];
    for (let day = first; day <= last && day < DAYS; day += step + ((day * 7 + customer) % 9)) {
      const who = { customer_id: `c-${customer}`, time: timeOf(day), amount: 1_000 + 10 * (customer % 50) };
      found.push(orderEvent(`o-${customer}-${day}`, who));
    }
    return found;
  }).flat();
}

async function send(json: readonly Json[]): Promise<void> {
  const key = await test.key('ingest');
  for (let at = 0; at < json.length; at += 400) {
    expect((await test.send('/ingest', { key, json: json.slice(at, at + 400) })).status).toBe(202);
  }
  await test.apply();
}

const jsonOf = async (response: Response | Promise<Response>): Promise<Json> =>
  (await (await response).json()) as Json;

async function trained(type: string, more: Json = {}): Promise<Json> {
  const dataset = { start: timeOf(0), end: timeOf(DAYS), ...more };
  const json = { type, name: type, dataset, params: { horizon: '60d' } };
  const { job_id } = await jsonOf(test.send('/models/train', { key: admin, json }));
  return vi.waitFor(async () => {
    const job = await jsonOf(test.send(`/jobs/${String(job_id)}`, { key: admin }));
    expect(['succeeded', 'failed']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

interface Prediction {
  readonly customers: readonly {
    readonly customer_id: string;
    readonly probability_of_churn: number;
    readonly expected_purchases: number;
    readonly expected_value: number;
  }[];
  readonly customers_total: number;
  readonly next_cursor: string | null;
}

const predict = async (id: string, json: Json = {}): Promise<Prediction> => {
  const response = await test.send(`/models/${id}/predict`, { key: admin, json });
  expect(response.status).toBe(200);
  return (await response.json()) as Prediction;
};

describe('models of customers over HTTP', () => {
  it('know who will not come back, page by page, and the same while events arrive and after a restart', async () => {
    await send(orders());
    const job = await trained('churn');
    expect(job).toMatchObject({ status: 'succeeded', result: { version: 1, customers: CUSTOMERS } });
    const id = String((job.result as Json).model_id);
    const model = await jsonOf(test.send(`/models/${id}`, { key: admin }));
    expect(model).toMatchObject({
      ...{ name: 'churn', type: 'churn', promoted: true, params: { horizon: '60d' } },
      score: { measure: 'brier' },
      test: { days: 60 },
    });
    const { value, baseline_value } = model.score as { value: number; baseline_value: number };
    expect(value).toBeLessThan(baseline_value / 2);
    expect((model.test as { deciles: unknown[] }).deciles).toHaveLength(10);
    const all = await predict('churn', { limit: 1_000 });
    expect(all.customers).toHaveLength(CUSTOMERS);
    const chance = (kind: number): number => {
      const own = all.customers.filter(({ customer_id }) => Number(customer_id.slice(2)) % 3 === kind);
      return own.reduce((sum, one) => sum + one.probability_of_churn, 0) / own.length;
    };
    expect(chance(0)).toBeLessThan(0.55);
    expect(chance(1)).toBeGreaterThan(0.7);
    expect(chance(2)).toBeGreaterThan(0.7);
    const page = await predict(id, { limit: 100 });
    // A customer who had left comes back: the model says what it said, and what it would say now.
    await send([
      orderEvent('back', { customer_id: 'c-1', time: timeOf(DAYS + 5) }),
      orderEvent('later', { customer_id: 'c-0', time: timeOf(DAYS + 6) }),
    ]);
    const rest = await predict(id, { limit: 100, cursor: page.next_cursor });
    expect([...page.customers, ...rest.customers]).toEqual(all.customers);
    expect(rest.next_cursor).toBeNull();
    test = await test.restart();
    expect((await predict(id, { limit: 1_000 })).customers).toEqual(all.customers);
    const of = ({ customers }: Prediction): number =>
      customers.find(({ customer_id }) => customer_id === 'c-1')?.probability_of_churn ?? -1;
    expect(of(await predict(id, { limit: 1_000, as_of_now: true }))).toBeLessThan(of(all));
  });

  it('know what customers bring', async () => {
    await send(orders());
    const job = await trained('ltv');
    const id = String((job.result as Json).model_id);
    const { customers } = await predict(id, { limit: 20 });
    const values = customers.map(({ expected_value }) => expected_value);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    const loyal = customers.filter(({ customer_id }) => Number(customer_id.slice(2)) % 3 === 0);
    expect(loyal.length).toBeGreaterThan(customers.length / 3);
    expect(await jsonOf(test.send(`/models/${id}`, { key: admin }))).toMatchObject({
      score: { measure: 'mean_error' },
    });
  });

  it('say what is missing', async () => {
    await send(orders().slice(0, 20));
    expect(await trained('churn')).toMatchObject({ status: 'failed', error: { code: 'not_enough_data' } });
    const key = admin;
    const json = { type: 'ltv', dataset: { start: timeOf(0), end: timeOf(DAYS) }, params: { horizon: '3y' } };
    expect(await codeOf(await test.send('/models/train', { key, json }))).toBe('validation_failed');
    await send([orderEvent('eur', { currency: 'EUR', customer_id: 'c-1', time: timeOf(3) })]);
    expect(await trained('ltv')).toMatchObject({ status: 'failed', error: { code: 'currency_required' } });
  });
});
