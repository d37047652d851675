import { describe, expect, it } from 'vitest';
import { intCodec, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, type Topology, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { type SeedsOptions, simulateSeeds } from './simulate-seeds.ts';
import type { SimulatedMessage } from './simulated-edges.ts';

interface Sale {
  readonly id: string;
  readonly key: string;
  readonly amount: number;
  readonly time_ms: number;
}

const T0 = Date.UTC(2025, 0, 1);
const ALLOWED_MS = 1_000;
const WINDOW_MS = 5_000;

interface Variant {
  readonly forgetsIds?: boolean;
  readonly keepsInMemory?: boolean;
  readonly dependsOnCommits?: boolean;
  readonly cacheRows?: number;
}

const ints = (cacheRows = 100) =>
  mapTable<string, number>({ key: stringKey, value: intCodec, version: 1, cacheRows });

const eventTime = defineOperator<SourceRecord, Sale>({
  kind: 'event-time',
  summary: 'Sales, and their watermark',
  ownsWatermark: true,
  start: ({ emit, emitWatermark, initialWatermark_ms }) => {
    let reached_ms = initialWatermark_ms ?? 0;
    return {
      onWatermark: (time_ms) => emitWatermark(time_ms),
      onBatch: (records) => {
        const sales = records.map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Sale);
        emit(sales);
        for (const { time_ms } of sales) reached_ms = Math.max(reached_ms, time_ms - ALLOWED_MS);
        emitWatermark(reached_ms);
      },
    };
  },
});

/** Sums of distinct sales by key in windows of five seconds; each window's sum is sent when it closes. */
const windows = defineOperator<
  Sale,
  never,
  Variant,
  { seen: ReturnType<typeof ints>; sums: ReturnType<typeof ints>; kept: ReturnType<typeof ints> }
>({
  kind: 'windows',
  summary: 'Sums by window',
  state: ({ cacheRows }) => ({ seen: ints(cacheRows), sums: ints(cacheRows), kept: ints(cacheRows) }),
  start: ({ config, state, timers, send }) => {
    const seen = state.seen.scope('');
    const forgotten = new Map<string, number>();
    let commits = 0;
    const close = (time_ms: number, key: string): void => {
      const sums = state.sums.scope(String(time_ms));
      const sum = sums.get(key) ?? 0;
      state.sums.drop(String(time_ms));
      state.kept.scope('').set(`${key}@${time_ms}`, sum);
      const shown = config.dependsOnCommits === true ? `${sum} (${commits % 2})` : String(sum);
      send({ id: `${key}@${time_ms}`, subject: `sums.${key}`, headers: {}, payload: Buffer.from(shown) });
    };
    return {
      onBatch: (items) => {
        for (const { id, key, amount, time_ms } of items) {
          if (config.forgetsIds !== true) {
            if (seen.get(id) !== undefined) continue;
            seen.set(id, 1);
          }
          if (config.keepsInMemory === true) forgotten.set(key, (forgotten.get(key) ?? 0) + amount);
          const end_ms = (Math.floor(time_ms / WINDOW_MS) + 1) * WINDOW_MS;
          const sums = state.sums.scope(String(end_ms));
          sums.set(key, (sums.get(key) ?? 0) + amount);
          timers.set(end_ms, key);
        }
      },
      onTimer: close,
      onBarrier: () => {
        commits++;
        for (const [key, amount] of forgotten) state.kept.scope('').set(key, amount);
      },
    };
  },
});

const sales = (variant: Variant): Topology =>
  topology('sales', (t) => {
    t.source('in').pipe(eventTime('time', undefined), windows('windows', variant));
  });

const timeOf = ({ data }: SimulatedMessage): number =>
  (JSON.parse(Buffer.from(data).toString()) as Sale).time_ms;

const options = (variant: Variant = {}): SeedsOptions => ({
  topology: () => sales({ ...variant }),
  disturbed: (random) => sales({ ...variant, cacheRows: random.pick([1, 4, 100]) }),
  generate: (set, random) =>
    Array.from({ length: 60 }, (_, index) => {
      const time_ms = T0 + index * 300;
      // One key a window, so that a window is dropped once.
      const key = `k${Math.floor(time_ms / WINDOW_MS) % 3}`;
      const sale: Sale = { id: `${set}-${index}`, key, amount: random.int(1, 9), time_ms };
      return { subject: 'sales', data: Buffer.from(JSON.stringify(sale)) };
    }),
  seeds: 60,
  disorder: { timeOf, max_ms: ALLOWED_MS },
});

describe('simulated seeds', () => {
  it('find nothing wrong with an operator that keeps to the rules, and have disturbed it', async () => {
    const heard: number[] = [];
    const report = await simulateSeeds({ ...options(), onSeed: (seed) => void heard.push(seed) });
    expect(report.failure).toBeUndefined();
    expect(heard).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect(report.crashes).toBeGreaterThan(60);
    expect(report.restores).toBeGreaterThan(10);
  });

  it.each([
    ['counts what comes twice', { forgetsIds: true }],
    ['keeps state in memory only', { keepsInMemory: true }],
    ['sends what depends on where commits are', { dependsOnCommits: true }],
  ] as const)(
    'find an operator that %s, and the seed fails again',
    async (_, variant) => {
      const { failure } = await simulateSeeds(options(variant));
      if (failure === undefined) throw new Error('nothing was found');
      expect(failure.problems.length).toBeGreaterThan(0);
      expect(failure.replay).toContain(`from: ${failure.seed}`);
      const again = await simulateSeeds({
        ...options(variant),
        from: failure.seed,
        seeds: 1,
        replay: (seed) => `again ${seed}`,
      });
      expect(again.failure).toEqual({ ...failure, replay: `again ${failure.seed}` });
    },
    60_000,
  );

  it('do the same each time, to the last repeated send', async () => {
    const report = await simulateSeeds(options());
    expect(report.failure).toBeUndefined();
    expect(report.sends).toBeGreaterThan(0);
    expect(await simulateSeeds(options())).toEqual(report);
  });

  it('name the error of a topology that breaks', async () => {
    const breaking = defineOperator<SourceRecord, never>({
      kind: 'breaking',
      summary: 'Fails',
      start: () => ({
        onBatch: () => {
          throw new Error('it broke');
        },
      }),
    });
    const { failure } = await simulateSeeds({
      ...options(),
      topology: () => topology('t', (t) => void t.source('in').pipe(breaking('breaking', undefined))),
    });
    expect(failure).toMatchObject({
      seed: 1,
      problems: ['it broke (record 1000000007 of "in", subject "sales") [internal]'],
    });
  });
});
