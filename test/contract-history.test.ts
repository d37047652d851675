import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { millrace } from './command.ts';
import { ContractService, type Event } from './contract-service.ts';
import { isLong } from './long.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
let service: ContractService;

const CUSTOMERS = isLong ? 600 : 200;
const EVENTS = isLong ? 15_600 : 5_200;
const FIRST_MS = Date.UTC(2021, 0, 1);
const STEP_MS = Math.floor((4 * 365 * 86_400_000) / EVENTS);
const SMALL = 650;

/** Four years of orders: customers come back after days, and after years. */
const events: readonly Event[] = (() => {
  const random = new SeededRandom(4);
  return Array.from({ length: EVENTS }, (_, index) => ({
    event_id: `h-${index}`,
    type: 'order.created',
    time: new Date(FIRST_MS + index * STEP_MS).toISOString(),
    order_id: `h-${index}`,
    // Each customer has one order at least.
    customer_id: `c-${index < CUSTOMERS ? index : random.int(0, CUSTOMERS - 1)}`,
    country: ['DE', 'FR', 'GB'][index % 3],
    currency: 'EUR',
    amount: random.int(1, 90_000),
  }));
})();

const METRICS = ['customers_new', 'customers_active', 'orders_count', 'revenue'];
const QUERY = { start: '2021-01-01T00:00:00Z', end: '2025-01-01T00:00:00Z', metrics: METRICS };
const EXPECTED = {
  customers_new: CUSTOMERS,
  customers_active: CUSTOMERS,
  orders_count: EVENTS,
  revenue: events.reduce((sum, { amount }) => sum + Number(amount), 0),
};

beforeAll(async () => {
  service = await ContractService.start(scratch);
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

const totals = (tenant: string) => service.instance.totals(tenant, QUERY);
/** Everything that may depend on the way: by month and country, through whatever answers it. */
const details = async (tenant: string): Promise<string> => {
  const queries = [
    { ...QUERY, granularity: '1M' },
    { ...QUERY, granularity: '1Q', group_by: ['country'], timezone: 'Asia/Kolkata' },
    { ...QUERY, group_by: ['country'], filters: { status: null } },
  ];
  const answers = await Promise.all(queries.map((query) => service.kpis(tenant, query)));
  return JSON.stringify(answers.map(({ groups }) => groups));
};

it('a customer of four years is new once: in order, twice, in small steps, shuffled and in a replay', async () => {
  await service.stream('in-order', events);
  await service.instance.untilApplied();
  expect(await totals('in-order')).toEqual(EXPECTED);
  const expected = await details('in-order');

  // The stream's own window finds repeats by message id; these have another one.
  await service.stream('in-order', events);
  for (let at = 0; at < EVENTS; at += SMALL) {
    await service.stream('small-steps', events.slice(at, at + SMALL));
    await service.instance.untilApplied();
  }
  const shuffled = [...events];
  const random = new SeededRandom(7);
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = random.int(0, at);
    [shuffled[at], shuffled[other]] = [shuffled[other] as Event, shuffled[at] as Event];
  }
  await service.stream('shuffled', shuffled);
  await service.stream('shuffled', shuffled.slice(0, 2_000));
  await service.instance.untilApplied();
  for (const tenant of ['in-order', 'small-steps', 'shuffled']) {
    expect([tenant, await totals(tenant)]).toEqual([tenant, EXPECTED]);
    expect(await details(tenant)).toBe(expected);
  }
  const { json } = await service.get('in-order', '/diagnostics');
  expect(json.notices).toMatchObject({ duplicate: { count: EVENTS } });
  const { nats } = await service.instance.listening;
  const { code, out, err } = await millrace(['replay', '--json'], {
    ...{
      DATA_DIR: service.dataDir,
      NATS_URL: nats.url,
      NATS_NKEY: join(service.dataDir, 'nats-credentials', 'service.nk'),
    },
  });
  expect([code, err.replaceAll(/^replay: .*\n/gm, '')], out).toEqual([0, '']);
  expect(JSON.parse(out)).toMatchObject({ same: true, different: [] });
});
