import { describe, expect, it } from 'vitest';
import { type Either, intCodec, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { TopologyTestDriver } from './topology-test-driver.ts';

interface Sale {
  readonly shop: string;
  readonly amount: number;
  readonly time_ms: number;
}

const totals = mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });

const parse = defineOperator<SourceRecord, Sale, undefined, Record<never, never>, { bad: string }>({
  kind: 'parse',
  summary: 'Sales from messages',
  ownsWatermark: true,
  sides: ['bad'],
  start: ({ emit, emitTo, emitWatermark, notice, initialWatermark_ms }) => {
    let reached_ms = initialWatermark_ms ?? 0;
    return {
      onWatermark: (time_ms) => emitWatermark(time_ms),
      onBatch: (records) => {
        for (const { data, sequence, header } of records) {
          const text = Buffer.from(data).toString();
          if (!text.startsWith('{')) {
            emitTo('bad', [`${header('Source') ?? '?'}: ${text}`]);
            notice({ kind: 'bad', scope: 'shops', sequence, detail: {} });
            continue;
          }
          const sale = JSON.parse(text) as Sale;
          emit([sale]);
          reached_ms = Math.max(reached_ms, sale.time_ms);
        }
        emitWatermark(reached_ms);
      },
      onBarrier: ({ idle_ms, now_ms }) => {
        if (idle_ms < 60_000) return;
        reached_ms = now_ms;
        emitWatermark(now_ms);
      },
    };
  },
});

const sum = defineOperator<Sale, number, undefined, { totals: typeof totals }>({
  kind: 'sum',
  summary: 'Totals by shop',
  state: () => ({ totals }),
  start: ({ state, timers, metrics, emit, send }) => {
    const table = state.totals.scope('shops');
    const sales = metrics.counter('millrace.sum.sales', 'Sales');
    return {
      onBatch: (items) => {
        for (const { shop, amount, time_ms } of items) {
          table.set(shop, (table.get(shop) ?? 0) + amount);
          timers.set(time_ms + 1_000, shop);
          sales.add();
          emit([table.get(shop) ?? 0]);
        }
      },
      onTimer: (time_ms, shop) =>
        send({
          id: `${shop}-${time_ms}`,
          subject: 'totals',
          headers: {},
          payload: Buffer.from(String(table.get(shop))),
        }),
    };
  },
});

const shops = topology('shops', (t) => {
  const sales = t.source('sales').pipe(parse('parse', undefined));
  sales.side('bad');
  sales.pipe(sum('sum', undefined));
});
const sale = (shop: string, amount: number, time_ms: number) => ({
  subject: 'sales.x',
  json: { shop, amount, time_ms },
});

describe('a topology test driver', () => {
  it('shows what each node emitted, what was sent, tables, notices and counters', async () => {
    const driver = await TopologyTestDriver.start(shops);
    await driver.push(sale('a', 5, 1_000), sale('b', 7, 1_500), {
      subject: 'sales.x',
      data: 'rubbish',
      headers: { source: 'till 3' },
    });
    expect(driver.output('sum')).toEqual([5, 7]);
    expect(driver.output('parse-bad')).toEqual(['till 3: rubbish']);
    expect(driver.take<Sale>('parse').map(({ shop }) => shop)).toEqual(['a', 'b']);
    expect(driver.take('parse')).toEqual([]);
    expect(driver.table('sum/totals', totals).entries('shops')).toEqual([]);
    await driver.push(sale('a', 1, 2_000));
    expect(driver.take<Sale>('parse')).toEqual([{ shop: 'a', amount: 1, time_ms: 2_000 }]);
    driver.commit();
    expect(driver.table('sum/totals', totals).entries('shops')).toEqual([
      ['a', 6],
      ['b', 7],
    ]);
    expect(driver.table('sum/totals', totals).get('shops', 'b')).toBe(7);
    expect(driver.sent.map(({ id }) => id)).toEqual(['a-2000']);
    expect(driver.notices).toEqual({ shops: { bad: 1 } });
    expect(driver.counter('millrace.sum.sales')).toBe(3);
  });

  it('lets wall-clock time pass: a quiet source is idle', async () => {
    const driver = await TopologyTestDriver.start(shops, { start_ms: 1_000_000 });
    await driver.push(sale('a', 5, 1_000));
    await driver.advanceClock(59_999);
    expect([driver.progress?.watermark_ms, driver.sent.length]).toEqual([1_000, 0]);
    await driver.advanceClock(1);
    driver.commit();
    expect([driver.progress?.watermark_ms, driver.sent.map(({ id }) => id)]).toEqual([1_060_000, ['a-2000']]);
  });

  it('goes on from a snapshot, also of another topology, and from a restart', async () => {
    let driver = await TopologyTestDriver.start(shops);
    await driver.push(sale('a', 5, 1_000));
    const snapshot = driver.snapshot();
    await driver.push(sale('a', 1, 1_000));
    driver = await driver.restart();
    await driver.push(sale('a', 2, 1_000));
    expect(driver.output('sum')).toEqual([7]);
    const other = await TopologyTestDriver.start(shops, { snapshot });
    await other.push(sale('a', 2, 1_000));
    other.commit();
    driver.commit();
    expect(other.digest()).toBe(driver.digest());
    const smaller = topology('shops', (t) => void t.source('sales').pipe(parse('parse', undefined)));
    await expect(TopologyTestDriver.start(smaller, { snapshot })).rejects.toThrow(
      expect.objectContaining({ code: 'topology_changed' }),
    );
    await TopologyTestDriver.start(smaller, { snapshot, allowTopologyChange: true });
  });

  it('feeds each of several sources by name', async () => {
    const pair = defineOperator<Either<SourceRecord, SourceRecord>, string>({
      kind: 'pair',
      summary: 'Subjects',
      start: ({ emit }) => ({
        onBatch: (items) => emit(items.map(({ input, value }) => `${input} ${value.subject}`)),
      }),
    });
    const both = topology('both', (t) => {
      t.source('left').connect(t.source('right'), pair('pair', undefined));
    });
    const driver = await TopologyTestDriver.start(both);
    await driver.pushTo('right', { subject: 'r' });
    await driver.pushTo('left', { subject: 'l1' }, { subject: 'l2' });
    expect(driver.output('pair')).toEqual(['right r', 'left l1', 'left l2']);
    await expect(driver.push({ subject: 'x' })).rejects.toThrow(/left, right/);
    await expect(driver.pushTo('middle', { subject: 'x' })).rejects.toThrow(/"middle"/);
  });

  it('names what there is, where a name is wrong', async () => {
    const driver = await TopologyTestDriver.start(shops);
    expect(() => driver.output('nothing')).toThrow(/parse-bad, sum/);
    expect(() => driver.table('sum/nothing')).toThrow(/sum\/totals/);
  });
});
