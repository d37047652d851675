import { afterEach, beforeEach, expect, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

export type Json = Record<string, unknown>;

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 5, 2);
/** Orders of each day of a week. */
export const WEEK = [2, 2, 3, 3, 5, 6, 4];
export const DAYS = 84;

/** A service for each test of a file, and what its tests ask of it. */
export const at = {} as { test: TestApi; admin: string };

export function useModels(): void {
  beforeEach(async () => {
    at.test = await startTestApi();
    at.admin = await at.test.key('admin');
  });
  afterEach(() => at.test.close());
}

export const timeOf = (day: number, hour = 0): string =>
  new Date(FIRST_MS + day * DAY_MS + hour * 3_600_000).toISOString();

/** Twelve weeks of orders in GB, the same each week; half as many in FR. */
export async function fill(): Promise<void> {
  const key = await at.test.key('ingest');
  const events = Array.from({ length: DAYS }, (_, day) =>
    Array.from({ length: WEEK[day % 7] as number }, (__, at) => [
      orderEvent(`gb-${day}-${at}`, { time: timeOf(day, 8), amount: 1_000 }),
      ...(at % 2 === 0
        ? [orderEvent(`fr-${day}-${at}`, { time: timeOf(day, 9), country: 'FR', amount: 500 })]
        : []),
    ]).flat(),
  ).flat();
  // A day that has begun: it is in the range, and not complete.
  events.push(orderEvent('last', { time: timeOf(DAYS, 1) }));
  for (let next = 0; next < events.length; next += 400) {
    const sent = await at.test.send('/ingest', { key, json: events.slice(next, next + 400) });
    expect(sent.status).toBe(202);
  }
  await at.test.apply();
}

export async function send(events: readonly Json[]): Promise<void> {
  const key = await at.test.key('ingest');
  for (let next = 0; next < events.length; next += 400) {
    expect((await at.test.send('/ingest', { key, json: events.slice(next, next + 400) })).status).toBe(202);
  }
  await at.test.apply();
}

/** Up to two more orders a day in each country. */
export const noise = (): Json[] =>
  Array.from({ length: DAYS }, (_, day) =>
    ['GB', 'FR'].flatMap((country, place) =>
      Array.from({ length: (day * 37 + 11 * place) % 3 }, (__, at) =>
        orderEvent(`noise-${country}-${day}-${at}`, { time: timeOf(day, 7), country }),
      ),
    ),
  ).flat();

export const DATASET = {
  metric: 'orders_count',
  granularity: '1d',
  start: timeOf(0),
  end: timeOf(DAYS + 1),
  group_by: ['country'],
};

export const train = (dataset: Json = {}, body: Json = {}): Promise<Response> =>
  at.test.send('/models/train', {
    key: at.admin,
    json: { type: 'demand_forecast', dataset: { ...DATASET, ...dataset }, params: { horizon: 14 }, ...body },
  });

export const jsonOf = async (response: Response | Promise<Response>): Promise<Json> =>
  (await (await response).json()) as Json;

export async function ended(job_id: unknown): Promise<Json> {
  return vi.waitFor(async () => {
    const job = await jsonOf(at.test.send(`/jobs/${String(job_id)}`, { key: at.admin }));
    expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

export async function trained(dataset: Json = {}, body: Json = {}): Promise<string> {
  const response = await train(dataset, body);
  expect(response.status).toBe(202);
  const job = await ended((await jsonOf(response)).job_id);
  expect(job).toMatchObject({ status: 'succeeded', lane: 'training' });
  return String((job.result as Json).model_id);
}

export const predict = (id: string, json: Json = {}): Promise<Response> =>
  at.test.send(`/models/${id}/predict`, { key: at.admin, json });

export interface Group {
  readonly key: Json;
  readonly is_rest?: boolean;
  readonly effects: readonly { readonly name: string; readonly effect: number; readonly is_known: boolean }[];
  readonly points: readonly { readonly time: string; readonly mean: number; readonly lower_95: number }[];
}
export interface Prediction {
  readonly groups: readonly Group[];
  readonly totals: readonly Group[];
  readonly assumptions: readonly string[];
}

export function requireSums({ groups, totals }: Prediction): void {
  const [total] = totals;
  expect(totals).toHaveLength(1);
  for (const [at, { mean }] of (total?.points ?? []).entries()) {
    const sum = groups.reduce((all, { points }) => all + (points[at]?.mean ?? 0), 0);
    expect(Math.abs(mean - sum)).toBeLessThanOrEqual(1e-9 * Math.abs(sum));
  }
}
