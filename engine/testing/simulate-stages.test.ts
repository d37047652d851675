import { expect, it } from 'vitest';
import { isLong } from '../../test/long.ts';
import { intCodec, type SeededRandom, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, type Topology, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { simulateStages } from './simulate-stages.ts';
import type { StageControl, StageMessage } from './stage-run.ts';

interface Sale {
  readonly order: string;
  readonly customer: string;
  readonly country: string;
  readonly cents: number;
  readonly at: number;
}

const START_MS = Date.UTC(2025, 0, 1);

const parse = defineOperator<SourceRecord, Sale>({
  kind: 'parse',
  summary: 'Sales',
  start: ({ emit }) => ({
    onBatch: (records) => emit(records.map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Sale)),
  }),
});
const time = defineOperator<Sale, Sale>({
  kind: 'time',
  summary: 'Event time, by sales and ticks',
  ownsWatermark: true,
  start: ({ emit, emitWatermark, initialWatermark_ms }) => {
    let current_ms = initialWatermark_ms ?? 0;
    const moveTo = (time_ms: number): void => {
      const level_ms = Math.floor(time_ms / 1_000) * 1_000;
      if (level_ms <= current_ms) return;
      current_ms = level_ms;
      emitWatermark(level_ms);
    };
    return {
      onBatch: (sales) => {
        emit(sales);
        for (const { at } of sales) moveTo(at - 5_000);
      },
      onWatermark: (time_ms) => {
        current_ms = Math.max(current_ms, time_ms);
        emitWatermark(current_ms);
      },
      onTick: ({ now_ms }) => moveTo(now_ms - 5_000),
    };
  },
});

const tables = () => ({
  sums: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }),
});
/** Sums by key and minute, given on when the minute is over: by timers. */
const sumMinutes = (keyOf: (sale: Sale) => string) =>
  defineOperator<Sale, Sale, undefined, ReturnType<typeof tables>>({
    kind: 'sum-minutes',
    summary: 'Sums by key and minute',
    state: tables,
    start: ({ state, timers, emit }) => {
      const sums = state.sums.scope('');
      return {
        onBatch: (sales) => {
          for (const sale of sales) {
            const end_ms = (Math.floor(sale.at / 60_000) + 1) * 60_000;
            const key = `${keyOf(sale)} ${end_ms}`;
            sums.set(key, (sums.get(key) ?? 0) + sale.cents);
            timers.set(end_ms, `${key}|${sale.country}`);
          }
        },
        onTimer: (end_ms, text) => {
          const [key = '', country = ''] = text.split('|');
          const cents = sums.get(key);
          if (cents === undefined) return;
          emit([{ order: key, customer: key.split(' ')[0] as string, country, cents, at: end_ms - 1 }]);
          sums.delete(key);
        },
      };
    },
  });
const total = (keyOf: (sale: Sale) => string) =>
  defineOperator<Sale, Sale, undefined, ReturnType<typeof tables>>({
    kind: 'total',
    summary: 'Totals by key',
    state: tables,
    makesIds: () => true,
    start: ({ state, emit, send, outputId }) => ({
      onBatch: (sales) => {
        const sums = state.sums.scope('');
        for (const sale of sales) {
          const key = keyOf(sale);
          sums.set(key, (sums.get(key) ?? 0) + sale.cents);
          const payload = Buffer.from(JSON.stringify(sale));
          send({ id: outputId('s', payload), subject: 's', headers: {}, payload });
        }
        emit(sales);
      },
    }),
  });

/** Three stages: orders, then customers with sums that come when time moves, then countries. */
const shop = (partitions: number): Topology =>
  topology(
    'shop',
    (t) => {
      t.source('sales')
        .pipe(
          parse('parse', undefined),
          time('time', undefined),
          total(({ order }) => order)('orders', undefined),
        )
        .repartition('by-customer', { keyOf: ({ customer }) => customer })
        .pipe(sumMinutes(({ customer }) => customer)('minutes', undefined))
        .repartition('by-country', { keyOf: ({ country }) => country })
        .pipe(total(({ country }) => country)('countries', undefined));
    },
    { partitions },
  );

function sales(_: number, random: SeededRandom): readonly StageMessage[] {
  let at = START_MS;
  return Array.from({ length: 90 }, (__, index) => {
    at += random.int(0, 6_000);
    const customer = `c${random.int(0, 9)}`;
    const sale: Sale = {
      ...{ order: `o${index >> 1}`, customer, country: `k${Number(customer.slice(1)) % 4}` },
      ...{ cents: random.int(1, 999), at: at - random.int(0, 3_000) },
    };
    return { key: sale.order, data: Buffer.from(JSON.stringify(sale)) };
  });
}

const run = (seeds: number, control?: StageControl, from = 1) =>
  simulateStages({
    topology: () => shop(3),
    generate: sales,
    ...{ seeds, from, start_ms: START_MS },
    ...(control === undefined ? {} : { control }),
  });

it('three stages with two owners of every task come to the rows and the state of one task', async () => {
  const report = await run(isLong ? 300 : 3);
  expect(report.failure).toBeUndefined();
  for (const count of ['crashes', 'restores', 'activations', 'fenced', 'refused', 'blocks'] as const) {
    expect([count, report[count] > 0]).toEqual([count, true]);
  }
});

it.each([
  ['unchecked', /came too often/],
  ['layout_changed', /\[layout_changed\]/],
  ['chain_purged', /\[(channel_end_missing|channel_gap)\]/],
] as const)('a run with %s is noticed by name', async (control, says) => {
  const report = await run(10, control);
  expect(report.failure?.problems.join('\n')).toMatch(says);
  expect(report.failure?.replay).toMatch(/from: \d+, seeds: 1/);
});
