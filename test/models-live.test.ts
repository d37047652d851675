import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

/** A real process on a NATS that stays: models trained, promoted, served while events come, killed in the middle. */

const TENANT = 'default';
const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 5, 2);
const DAYS = 84;
const PATIENCE_MS = 120_000;

const scratch = new Scratch();
let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

const timeOf = (day: number): string => new Date(FIRST_MS + day * DAY_MS + 36_000_000).toISOString();

/** Some orders a day in each country, more at weekends. */
const orders = (from: number, to: number): Readonly<Record<string, unknown>>[] =>
  Array.from({ length: to - from }, (_, index) => {
    const day = from + index;
    return Array.from({ length: sizes.model_countries }, (__, country) =>
      Array.from({ length: 1 + ((day * 37 + country * 11) % 3) + (day % 7 > 4 ? 2 : 0) }, (___, at) => ({
        event_id: `m-${day}-${country}-${at}`,
        ...{ type: 'order.created', order_id: `m-${day}-${country}-${at}`, time: timeOf(day) },
        ...{ customer_id: `c-${(day * 7 + country + at) % 97}`, currency: 'EUR', amount: 1_000 },
        country: `C${country}`,
      })),
    ).flat();
  }).flat();

const TRAINING = {
  ...{ type: 'demand_forecast', name: 'orders', params: { horizon: 14 } },
  dataset: {
    ...{ metric: 'orders_count', granularity: '1d', group_by: ['country'] },
    ...{ start: timeOf(0), end: timeOf(DAYS) },
  },
};

it('a model is trained, promoted and served while events come; kill -9 in a training; equal predictions after', async () => {
  const dataDir = await scratch.dir('models');
  const start = (): Promise<ContractService> =>
    ContractService.start(scratch, { dataDir, env: { NATS_URL: nats.url } });
  let one = await start();
  const train = async (): Promise<string> => {
    const { status, json, text } = await one.post(TENANT, '/models/train', TRAINING);
    expect(status, text).toBe(202);
    return String(json.job_id);
  };
  const ended = (job_id: string): Promise<string> =>
    until(
      async () => {
        const { json } = await one.get(TENANT, `/jobs/${job_id}`);
        if (json.status !== 'succeeded')
          expect(['queued', 'running'], JSON.stringify(json)).toContain(json.status);
        const { model_id } = (json.result ?? {}) as { model_id?: string };
        return json.status === 'succeeded' ? model_id : undefined;
      },
      () => `the training ${job_id} ends`,
      PATIENCE_MS,
    );
  const predict = async (name: string): Promise<string> => {
    const { status, text } = await one.post(TENANT, `/models/${name}/predict`, {});
    expect(status, text).toBe(200);
    return text;
  };
  await one.stream(TENANT, orders(0, DAYS));
  await one.instance.untilApplied();
  const first = await ended(await train());
  const before = await predict('orders');
  expect(JSON.parse(before)).toMatchObject({ model_id: first, version: 1 });

  // Served while events come, and killed in the middle of the second training.
  const coming = one.stream(TENANT, orders(DAYS, DAYS + 7));
  expect(await predict('orders')).toBe(before);
  await coming;
  const job_id = await train();
  await one.instance.kill();
  await one.stop();
  one = await start();
  const second = await ended(job_id);
  expect(await predict(first)).toBe(before);
  expect(await predict('orders')).toBe(before);
  const { status } = await one.post(TENANT, `/models/${second}/promote`, {});
  expect(status).toBe(200);
  const promoted = await predict('orders');
  expect(JSON.parse(promoted)).toMatchObject({ model_id: second, version: 2 });
  await one.instance.kill();
  await one.stop();
  one = await start();
  expect([await predict('orders'), await predict(first)]).toEqual([promoted, before]);
  const { json } = await one.get(TENANT, '/models');
  expect((json.models as { version: number }[]).map(({ version }) => version)).toEqual([1, 2]);
  await one.stop();
});
