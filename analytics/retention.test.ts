import { describe, expect, it } from 'vitest';
import {
  type AnyQueryKind,
  KindRegistry,
  ManualClock,
  QueryExecutor,
  type RawSpec,
  SeededRandom,
  type StateDigest,
  stateDigest,
  type TestMessage,
  TopologyTestDriver,
} from '../engine/index.ts';
import { orderQueries } from './query-kinds.ts';
import { CUBE_KIND } from './rows/index.ts';
import { orderAnalytics } from './topology.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 6, 1);
const NOW_MS = T + 100 * DAY_MS;
const RETENTION_DAYS = 10;

interface Given {
  readonly id: string;
  readonly day: number;
  readonly type?: string;
  readonly [member: string]: string | number | undefined;
}

function message({ id, day, type = 'order.created', ...members }: Given): TestMessage {
  const time = new Date(T + day * DAY_MS).toISOString();
  return { subject: 'events.acme.x', json: { event_id: id, type, time, ...members } };
}

const order = (id: string, day: number, members: Partial<Given> = {}): Given => ({
  ...{ id, day, order_id: `o-${id}`, customer_id: `c-${id}`, amount: 100, currency: 'EUR' },
  ...members,
});

const topology = () => orderAnalytics({ retention_days: RETENTION_DAYS, ledger_cache_bytes: 400 });
const open = () => TopologyTestDriver.start(topology(), { start_ms: NOW_MS });

async function ask(driver: TopologyTestDriver, fromDay: number, group_by: readonly string[] = []) {
  const kinds = orderQueries({ custom: [] });
  const registry = new KindRegistry(Object.values(kinds) as unknown as readonly AnyQueryKind[]);
  const clock = new ManualClock(NOW_MS);
  const executor = new QueryExecutor({ reader: driver.disk.reader(), kinds: registry, clock });
  const query = {
    metrics: ['orders_count', 'customers_new', 'revenue_gross', 'refund_amount'],
    start: new Date(T + fromDay * DAY_MS).toISOString(),
    end: new Date(T + 60 * DAY_MS).toISOString(),
    group_by,
  };
  const { answer } = await executor.run(kinds.kpis, kinds.kpis.schema.parse(query), { scope: 'acme' });
  return answer;
}

/** Rows of the log, ids and orders, as the digest has them. */
function kept(driver: TopologyTestDriver): Record<string, number> {
  const tables = topology().tables();
  const first = (id: string): number =>
    driver.disk.reader().snapshot((table) => {
      const spec = tables.find((each) => each.id === id)?.spec as RawSpec;
      const sibling = (name: string) => table(`${id.split('/')[0]}/${name}`);
      const [row] = spec.logicalRows?.(table(id), 0, sibling) ?? [];
      return Number.parseInt(Buffer.from(row ?? []).toString(), 10);
    });
  const log = driver.counter('millrace.event_log.rows');
  return { log, ids: first('dedup/log'), orders: first('ledger/orders') };
}

describe('retention', () => {
  it('a cube that comes with the first rows, in a commit that moves the cut, has all that are kept', async () => {
    const driver = await open();
    driver.control.define(CUBE_KIND, 'acme', 'x', { dimensions: ['reason'], granularity: '1d' });
    const [reason, last] = [{ reason: 'r' }, 20];
    await driver.push(
      message(order('a', 0, reason)),
      message(order('b', 15, reason)),
      message(order('c', last, reason)),
    );
    driver.commit();
    const answer = await ask(driver, 12, ['reason']);
    expect(answer).toMatchObject({ source: 'rollup:reason@1d', groups: [{ totals: { orders_count: 2 } }] });
  });

  it('drops whole UTC days from ids, log and ledger in one commit, and keeps rollups', async () => {
    const driver = await open();
    await driver.push(message(order('a', 0)), message(order('b', 0.9)), message(order('c', 5)));
    driver.commit();
    await driver.push(message(order('d', 10.99)));
    driver.commit();
    // The watermark is 30 s behind the newest event: the cut is at day 0.
    expect(kept(driver)).toEqual({ log: 4, ids: 4, orders: 4 });
    await driver.push(message(order('e', 11.5)));
    driver.commit();
    expect(kept(driver)).toEqual({ log: 3, ids: 3, orders: 3 });
    const answer = await ask(driver, -1);
    expect(answer.source).toMatch(/^rollup:total@1d/);
    expect(answer.groups[0]?.totals).toMatchObject({ orders_count: 5, revenue_gross: 500 });
    await expect(ask(driver, 0, ['warehouse'])).rejects.toMatchObject({ code: 'behind_retention' });
    expect((await ask(driver, 1, ['warehouse'])).groups[0]?.totals).toMatchObject({ orders_count: 3 });
  });

  it('makes an event before the cut a dead letter, in whatever life', async () => {
    let driver = await open();
    await driver.push(message(order('a', 20.5)));
    driver.commit();
    driver.commit();
    driver = await driver.restart();
    await driver.push(message(order('old', 9.99)), message(order('kept', 10)));
    driver.commit();
    expect(driver.sent.map(({ headers }) => headers?.Reason)).toEqual(['behind_retention']);
    expect((await ask(driver, 10)).groups[0]?.totals).toMatchObject({ orders_count: 2 });
  });

  it('a customer is new once while an order is kept', async () => {
    const driver = await open();
    for (const day of [0, 8, 16, 24, 32]) {
      await driver.push(message(order(`o${day}`, day, { customer_id: 'one' })));
      driver.commit();
    }
    driver.commit();
    const { groups } = await ask(driver, -1);
    expect(groups[0]?.totals).toMatchObject({ orders_count: 5, customers_new: 1 });
  });

  it('forgets no entity whose events the cut keeps, so that it does not matter which came first', async () => {
    const SECOND = 1 / 86_400;
    const first = order('a', 0.9, { customer_id: 'c', country: 'DE' });
    // Less behind midnight than the watermark is behind them: the cut is still before the first order.
    const others = [
      order('refund', 11 + 10 * SECOND, { type: 'refund.issued', order_id: 'o-a', amount: 3 }),
      order('b', 11 + 12 * SECOND, { customer_id: 'c', country: 'FR' }),
    ];
    const run = async (list: readonly Given[]) => {
      const driver = await open();
      for (const given of list) {
        await driver.push(message(given));
        driver.commit();
      }
      expect(driver.sent).toEqual([]);
      const { groups } = await ask(driver, 0, ['country']);
      return { groups, digest: await stateDigest(topology(), driver.disk.reader()) };
    };
    const straight = await run([first, ...others]);
    expect(straight.groups.map(({ key, totals }) => [key.country, totals])).toEqual([
      ['DE', { orders_count: 1, customers_new: 1, revenue_gross: 100, refund_amount: 3 }],
      ['FR', { orders_count: 1, customers_new: 0, revenue_gross: 100, refund_amount: 0 }],
    ]);
    expect(await run([...others, first])).toEqual(straight);
    expect(await run([others[0] as Given, first, others[1] as Given])).toEqual(straight);
  });

  it('an event that is ahead of the clock drops no day that would else be kept', async () => {
    const driver = await open();
    const now = (NOW_MS - T) / DAY_MS;
    const first = order('a', now - RETENTION_DAYS + 0.5);
    await driver.push(message(first));
    driver.commit();
    await driver.push(
      message(order('ahead', now + 0.9)),
      message(order('r', now + 0.9, { type: 'refund.issued', order_id: 'o-a', country: 'DE', amount: 7 })),
    );
    driver.commit();
    driver.commit();
    await driver.push(message(order('late', now - RETENTION_DAYS + 0.6)));
    driver.commit();
    expect(driver.sent).toEqual([]);
    expect(kept(driver)).toMatchObject({ ids: 4, orders: 3 });
  });

  it('knows duplicates for as long as their events are kept', async () => {
    const driver = await open();
    const first = message(order('a', 0));
    await driver.push(first, message(order('b', 9.5)));
    driver.commit();
    driver.commit();
    await driver.push(first, message(order('b', 9.5)));
    driver.commit();
    expect(driver.notices.acme).toMatchObject({ duplicate: 2 });
    expect((await ask(driver, -1)).groups[0]?.totals).toMatchObject({ orders_count: 2 });
  });

  it('has one digest for any order of the events after the cut, commits and restarts', async () => {
    const random = new SeededRandom(3);
    const old = Array.from({ length: 25 }, (_, at) =>
      order(`old${at}`, at / 5, { customer_id: `c${at % 6}` }),
    );
    const after = Array.from({ length: 40 }, (_, at) =>
      order(`new${at}`, 20 + (at % 9) + at / 1_000, {
        type: random.pick(['order.created', 'order.updated', 'refund.issued', 'visit', 'order.shipped']),
        order_id: `n${at % 17}`,
        customer_id: `c${at % 8}`,
        session_id: `s${at % 5}`,
        ...(random.chance(0.5) ? { country: random.pick(['DE', 'FR']) } : {}),
      }),
    );
    const mover = order('mover', 29);
    const run = async (list: readonly Given[], cut: () => boolean): Promise<StateDigest> => {
      let driver = await open();
      await driver.push(...old.map(message));
      driver.commit();
      for (const given of list) {
        await driver.push(message(given));
        if (!cut()) continue;
        driver.commit();
        if (cut()) driver = await driver.restart();
      }
      driver.commit();
      driver.commit();
      return stateDigest(topology(), driver.disk.reader());
    };
    const straight = await run([...after, mover], () => false);
    for (let turn = 0; turn < 6; turn++) {
      const shuffled = random.shuffled([...after, mover]);
      expect(await run(shuffled, () => random.chance(0.3)), `turn ${turn}`).toEqual(straight);
    }
  });
});
