import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, type RunningApp, startApp } from '../examples/online-retail/app.ts';
import { prepare, publish } from '../examples/online-retail/publish.ts';
import { monthsOf } from '../examples/online-retail/report.ts';
import { isLong } from './long.ts';
import { type SqlCustomers, sqlCustomers, THRESHOLDS } from './online-retail-customers-sql.ts';

const WHOLE = join(packageRoot(), '..', 'shared', 'data', 'online-retail', 'online_retail.csv.gz');
const SAMPLE = join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
const FILE = isLong && existsSync(WHOLE) ? WHOLE : SAMPLE;
if (isLong && FILE === SAMPLE)
  process.stderr.write(`The sample stands for the whole UCI file: there is no ${WHOLE}\n`);

interface Customer {
  readonly customer_id: string | null;
  readonly score: string;
  readonly frequency: number;
  readonly monetary: number;
  readonly last_order: string;
}

let app: RunningApp;
let sql: SqlCustomers;
let range: { readonly start: string; readonly end: string };

async function ask<T>(path: string, body: object): Promise<T> {
  const response = await fetch(`${app.url}/v1/order-analytics${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${app.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...range, ...body }),
  });
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

beforeAll(async () => {
  const file = await prepare(FILE);
  range = monthsOf(file.first, file.last);
  sql = await sqlCustomers(FILE, range.end.replace('T', ' ').replace('Z', ''));
  app = await startApp();
  await publish(app.nats, file.messages);
  await ask('/kpis/query', { metrics: ['orders_count'], force_fresh: true });
}, 300_000);
afterAll(() => app.stop());

/** All customers, page by page. */
async function scored(more: object): Promise<ReadonlyMap<string, Customer>> {
  const all: Customer[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: { readonly customers: readonly Customer[]; readonly next_cursor: string | null } = await ask(
      '/customers/rfm',
      { limit: 1_000, ...more, ...(cursor === undefined ? {} : { cursor }) },
    );
    all.push(...page.customers);
    cursor = page.next_cursor;
  }
  return new Map(all.map((customer) => [String(customer.customer_id), customer]));
}

describe('customers of Online Retail', () => {
  it('have the scores of SQL, by shared quintiles, by thresholds and by groups of equal size', async () => {
    const [quintile, fixed, ntile] = [
      await scored({}),
      await scored({ scoring: 'fixed', thresholds: THRESHOLDS }),
      await scored({ scoring: 'ntile' }),
    ];
    expect(sql.customers.length).toBeGreaterThan(FILE === WHOLE ? 4_000 : 20);
    for (const found of [quintile, fixed, ntile]) expect(found.size).toBe(sql.customers.length);
    for (const wanted of sql.customers) {
      const own = quintile.get(wanted.customer);
      expect(
        [own?.customer_id, own?.frequency, own?.monetary, own?.last_order.slice(0, 19), own?.score].join(),
      ).toBe([wanted.customer, wanted.orders, wanted.net, wanted.last, wanted.quintile].join());
      expect(fixed.get(wanted.customer)?.score).toBe(wanted.fixed);
      // Which of equal customers comes first is nobody's to say.
      for (const [at, score] of [...(ntile.get(wanted.customer)?.score ?? '')].entries()) {
        expect(score >= (wanted.ntile_least[at] as string), wanted.customer).toBe(true);
        expect(score <= (wanted.ntile_most[at] as string), wanted.customer).toBe(true);
      }
    }
  }, 300_000);

  it('come back month by month as SQL counts them', async () => {
    interface Answer {
      readonly cohorts: readonly {
        readonly cohort: string;
        readonly size: number;
        readonly periods: readonly { readonly period: number; readonly returned: number | null }[];
      }[];
    }
    const { cohorts } = await ask<Answer>('/cohorts/adhoc-retention', { periods: 24 });
    const found = cohorts.flatMap(({ cohort, size, periods }) =>
      periods.flatMap(({ period, returned }) => {
        if (period === 0) expect(returned).toBe(size);
        return returned === null || returned === 0
          ? []
          : [[`${cohort.slice(0, 7)}/${period}`, returned] as const];
      }),
    );
    expect(new Map(found)).toEqual(sql.retention);
  }, 300_000);

  interface Values {
    readonly cohorts: readonly {
      readonly cohort: string;
      readonly key?: { readonly country: string | null };
      readonly size: number;
      readonly ages: readonly {
        readonly age: number;
        readonly revenue: number | null;
        readonly cumulative: number | null;
        readonly ltv: number | null;
      }[];
    }[];
  }

  /** Net revenue by cohort and age, where there is any; `cumulative` and `ltv` are made of it. */
  async function valued(more: object): Promise<{
    readonly sizes: ReadonlyMap<string, number>;
    readonly revenue: ReadonlyMap<string, number>;
  }> {
    const { cohorts } = await ask<Values>('/customers/ltv', { model: 'historical', periods: 24, ...more });
    const sizes = new Map<string, number>();
    const revenues = new Map<string, number>();
    for (const { cohort, key, size, ages } of cohorts) {
      const name = [cohort.slice(0, 7), ...(key === undefined ? [] : [key.country])].join('/');
      sizes.set(name, size);
      let sum = 0;
      for (const { age, revenue, cumulative, ltv } of ages) {
        if (revenue === null) continue;
        sum += revenue;
        expect([cumulative, ltv]).toEqual([sum, Math.round(sum / size)]);
        if (revenue !== 0) revenues.set(`${name}/${age}`, revenue);
      }
    }
    return { sizes, revenue: revenues };
  }

  const withMoney = (values: ReadonlyMap<string, number>): ReadonlyMap<string, number> =>
    new Map([...values].filter(([, net]) => net !== 0));

  it('bring month by month what SQL adds up', async () => {
    const { revenue } = await valued({ alignment: 'calendar' });
    expect(sql.value.size).toBeGreaterThan(FILE === WHOLE ? 80 : 2);
    expect(revenue).toEqual(withMoney(sql.value));
  }, 300_000);

  it('bring by country and ages of 30 days what SQL adds up', async () => {
    const { sizes, revenue } = await valued({ alignment: 'rolling', group_by: ['country'] });
    expect(sizes).toEqual(sql.sizes);
    expect(revenue).toEqual(withMoney(sql.rolling));
  }, 300_000);
});
