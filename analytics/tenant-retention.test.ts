import { describe, expect, it } from 'vitest';
import {
  type AnyQueryKind,
  KindRegistry,
  ManualClock,
  planScan,
  QueryExecutor,
  SeededRandom,
  scanChunks,
  selectRows,
  stateDigest,
  type TestMessage,
  TopologyTestDriver,
} from '../engine/index.ts';
import { eventLogView } from '../operators/index.ts';
import { SHOP_NOW_MS } from './fixture-shop.ts';
import { orderQueries } from './query-kinds.ts';
import { rowSchema, SETTINGS_KIND_NAME } from './rows/index.ts';
import { OPERATORS, orderAnalytics } from './topology.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 6, 1);
const DAYS = 10;
const ALL = { start_ms: 0, end_ms: 8.64e15 };

interface Given {
  readonly tenant?: string;
  readonly [member: string]: string | number | undefined;
}

function order(id: string, day: number, { tenant = 'acme', ...members }: Given = {}): TestMessage {
  const time = new Date(T + day * DAY_MS).toISOString();
  const json = {
    ...{ event_id: id, type: 'order.created', time, order_id: `o-${id}`, customer_id: `c-${id}` },
    ...{ amount: 100, currency: 'EUR', ...members },
  };
  return { subject: `events.${tenant}.x`, json };
}

const topology = () => orderAnalytics({ ledger_cache_bytes: 400 });
const open = () => TopologyTestDriver.start(topology(), { start_ms: SHOP_NOW_MS });
const keep = (driver: TopologyTestDriver, days: number | undefined, tenant = 'acme') =>
  driver.control.define(SETTINGS_KIND_NAME, tenant, 'x', days === undefined ? {} : { retention_days: days });

/** Rows that a scan of all time shows, and where the log of the tenant begins. */
function kept(driver: TopologyTestDriver, scope = 'acme'): { rows: number; from_day: number } {
  return driver.disk.reader().snapshot((table) => {
    const view = eventLogView(table, OPERATORS.log);
    const plan = planScan(view, { scope, ...ALL });
    let rows = 0;
    scanChunks(view, plan, rowSchema(), (chunk) => {
      rows += selectRows(chunk, plan.request, new Uint32Array(chunk.rows));
    });
    return { rows, from_day: Math.max(0, (plan.request.start_ms - T) / DAY_MS) };
  });
}

async function orders(driver: TopologyTestDriver, from: number, group_by: string[] = [], scope = 'acme') {
  const kinds = orderQueries({ custom: [] });
  const executor = new QueryExecutor({
    reader: driver.disk.reader(),
    kinds: new KindRegistry(Object.values(kinds) as unknown as readonly AnyQueryKind[]),
    clock: new ManualClock(SHOP_NOW_MS),
  });
  const range = { start: new Date(T + from * DAY_MS).toISOString(), end: '2025-12-01T00:00:00Z' };
  const query = kinds.kpis.schema.parse({ ...range, metrics: ['orders_count', 'customers_new'], group_by });
  const { answer } = await executor.run(kinds.kpis, query, { scope });
  return { source: answer.source, ...answer.groups[0]?.totals };
}

describe("a tenant's retention", () => {
  it('takes whole days of this tenant in one commit, keeps its rollups, and leaves all others alone', async () => {
    const driver = await open();
    const days = [0, 0.9, 5, 11.5];
    await driver.push(...days.map((day, at) => order(`${at}`, day)));
    await driver.push(...days.map((day, at) => order(`${at}`, day, { tenant: 'other' })));
    driver.commit();
    expect(kept(driver)).toEqual({ rows: 4, from_day: 0 });
    keep(driver, DAYS);
    driver.commit();
    expect(kept(driver)).toEqual({ rows: 2, from_day: 1 });
    expect(kept(driver, 'other')).toEqual({ rows: 4, from_day: 0 });
    expect(driver.counter('millrace.event_log.rows_dropped')).toBe(2);
    expect(await orders(driver, 0)).toEqual({ source: 'rollup:total@1d', orders_count: 4, customers_new: 4 });
    const behind = { code: 'behind_retention' };
    await expect(orders(driver, 0, ['warehouse'])).rejects.toMatchObject(behind);
    expect(await orders(driver, 1, ['warehouse'])).toMatchObject({ orders_count: 2 });
    expect(await orders(driver, 0, ['warehouse'], 'other')).toMatchObject({ orders_count: 4 });
  });

  it('goes on with the newest event of the tenant, not with the clock, nor with what others send', async () => {
    const driver = await open();
    keep(driver, DAYS);
    await driver.push(order('a', 0), order('b', 30, { tenant: 'other' }));
    driver.commit();
    driver.clock.advance(100 * DAY_MS);
    driver.commit();
    expect(kept(driver)).toEqual({ rows: 1, from_day: 0 });
    await driver.push(order('c', 11));
    driver.commit();
    expect(kept(driver)).toEqual({ rows: 1, from_day: 1 });
  });

  it('does not go with an event that is ahead of the clock, until the clock has come there', async () => {
    const now = (SHOP_NOW_MS - T) / DAY_MS;
    const driver = await open();
    keep(driver, 1);
    await driver.push(order('a', now - 1), order('ahead', now + 0.9));
    driver.commit();
    expect(kept(driver).rows).toBe(2);
    driver.clock.advance(2 * DAY_MS);
    await driver.push(order('b', now + 1.1));
    driver.commit();
    driver.commit();
    expect(kept(driver)).toMatchObject({ rows: 2, from_day: Math.floor(now) });
  });

  it('counts an event that comes behind it, and keeps no row; a customer is new once', async () => {
    const driver = await open();
    keep(driver, DAYS);
    await driver.push(order('a', 20.5, { customer_id: 'c' }));
    driver.commit();
    await driver.push(order('old', 2, { customer_id: 'c' }));
    driver.commit();
    expect(driver.sent).toEqual([]);
    expect(kept(driver).from_day).toBe(10);
    expect(await orders(driver, 0)).toMatchObject({ orders_count: 2, customers_new: 1 });
    expect(await orders(driver, 10, ['warehouse'])).toMatchObject({ orders_count: 1, customers_new: 0 });
  });

  it('gives nothing back when it is made longer or taken away, through a restart', async () => {
    let driver = await open();
    keep(driver, DAYS);
    await driver.push(order('a', 0), order('b', 20.5));
    driver.commit();
    keep(driver, 300);
    driver.commit();
    driver = await driver.restart();
    driver.control.remove(SETTINGS_KIND_NAME, 'acme', 'x');
    await driver.push(order('c', 400 / 24));
    driver.commit();
    expect(kept(driver)).toEqual({ rows: 2, from_day: 10 });
    await expect(orders(driver, 0, ['warehouse'])).rejects.toMatchObject({ code: 'behind_retention' });
  });

  it('settings that say no number of days are refused by name, and everything goes on', async () => {
    const driver = await open();
    driver.control.define(SETTINGS_KIND_NAME, 'acme', 'x', { retention_days: -1 });
    await driver.push(order('a', 0), order('b', 20));
    driver.commit();
    expect(kept(driver).rows).toBe(2);
    expect(driver.counter('millrace.control.refused')).toBe(1);
  });

  it('makes one digest of any order of all events, commits, restarts, and whenever it was set', async () => {
    const random = new SeededRandom(9);
    const events = Array.from({ length: 60 }, (_, at) =>
      order(`e${at}`, (at * 7) % 40, {
        tenant: random.pick(['acme', 'acme', 'other']),
        type: random.pick(['order.created', 'order.updated', 'refund.issued', 'visit', 'payment.succeeded']),
        ...{ order_id: `o${at % 17}`, customer_id: `c${at % 8}`, session_id: `s${at % 5}` },
        ...(random.chance(0.5) ? { country: random.pick(['DE', 'FR']) } : {}),
      }),
    );
    const run = async (list: readonly TestMessage[], chance: () => boolean, set: number) => {
      let driver = await open();
      for (const [at, event] of list.entries()) {
        if (at === set) keep(driver, DAYS);
        await driver.push(event);
        if (!chance()) continue;
        driver.commit();
        if (chance()) driver = await driver.restart();
      }
      driver.commit();
      const { from_day } = kept(driver);
      return { from_day, ...(await stateDigest(topology(), driver.disk.reader())) };
    };
    const straight = await run(events, () => false, 0);
    expect(straight.from_day).toBeGreaterThan(20);
    for (let turn = 0; turn < 6; turn++) {
      const shuffled = random.shuffled(events);
      const set = random.int(0, events.length - 1);
      expect(await run(shuffled, () => random.chance(0.3), set), `turn ${turn}`).toEqual(straight);
    }
  });
});
