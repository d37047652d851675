import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('analyst');
  const order = (n: number, customer_id: string, time: string) =>
    orderEvent(`e${n}`, { order_id: `o${n}`, customer_id, time, country: 'DE' });
  const json = [
    order(1, 'a', '2025-05-01T00:00:00Z'),
    order(2, 'a', '2025-06-01T00:00:00Z'),
    order(3, 'b', '2025-06-02T00:00:00Z'),
    order(4, 'b', '2025-07-02T00:00:00Z'),
  ];
  const writer = await test.key('ingest');
  expect((await test.send('/ingest', { key: writer, json })).status).toBe(202);
  await test.apply();
});
afterEach(() => test.close());

const RANGE = { start: '2025-05-01T00:00:00Z', end: '2025-06-30T23:59:59Z', periods: 2 };

describe('cohorts', () => {
  it('are defined, kept, and asked for their retention', async () => {
    const made = await test.send('/cohorts/define', {
      ...{ key, json: { name: 'by country', criteria: { group_by: ['country'] } } },
    });
    expect(made.status).toBe(201);
    const { id } = (await made.json()) as { id: string };
    expect(id).toMatch(/^cohort_/);
    const response = await test.send(`/cohorts/${id}/retention`, { key, json: RANGE });
    expect(response.status).toBe(200);
    const answer = await response.json();
    expect(answer).toMatchObject({
      ...{ cohort_id: id, name: 'by country', bucket: 'month', period: 'month', size: 2 },
      cohorts: [
        { cohort: '2025-05-01T00:00:00Z', key: { country: 'DE' }, size: 1 },
        { cohort: '2025-06-01T00:00:00Z', key: { country: 'DE' }, size: 1 },
      ],
      meta: { source: 'scan', granularity: 'month' },
    });
    const adhoc = await test.send('/cohorts/adhoc-retention', {
      ...{ key, json: { ...RANGE, criteria: { group_by: ['country'] } } },
    });
    const { cohorts } = (await adhoc.json()) as { cohorts: unknown };
    expect(cohorts).toEqual((answer as { cohorts: unknown }).cohorts);
  });

  it('of nobody are 404, and a definition that says nothing is refused', async () => {
    expect(await codeOf(await test.send('/cohorts/cohort_x/retention', { key, json: RANGE }))).toBe(
      'not_found',
    );
    const json = { name: 'x', criteria: { type: 'event' } };
    expect(await codeOf(await test.send('/cohorts', { key, json }))).toBe('validation_failed');
    const many = { ...RANGE, start: '2000-01-01T00:00:00Z', periods: 120, criteria: { bucket: 'day' } };
    expect(await codeOf(await test.send('/cohorts/adhoc-retention', { key, json: many }))).toBe(
      'too_many_points',
    );
  });
});
