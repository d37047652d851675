import { describe, expect, it } from 'vitest';
import { ByteReader, type Stream, TestDriver } from '../../engine/index.ts';
import { eventLog } from '../../operators/index.ts';
import { fc } from '../../test/property.ts';
import type { EventBatch } from '../events/index.ts';
import { rateAt } from '../query/index.ts';
import { rowSchema } from '../rows/index.ts';
import { eventRates } from './event-rates.ts';
import { appendEvent, newBatch, type TestEvent, testEvent } from './fixture-events.ts';
import { ledger } from './ledger-operator.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 6, 1);
const EUR_USD = { base: 'EUR', quote: 'USD', rate: '1.1' };

type Rate = typeof EUR_USD & { readonly day?: number; readonly isDead?: boolean };

/** `fx.rate` events as the decoder would give them. */
function announce(batch: EventBatch, ...rates: readonly Partial<Rate>[]): EventBatch {
  batch.clear([]);
  for (const [row, { day = 0, isDead = false, ...rate }] of rates.entries()) {
    const event = testEvent({ id: `r${row}`, type: 'fx.rate', time_ms: T + day * DAY_MS });
    appendEvent(batch, event, row + 1);
    batch.live[row] = isDead ? 0 : 1;
    batch.rates.push({ row, ...EUR_USD, ...rate });
  }
  return batch;
}

const build = (input: Stream<EventBatch>) =>
  input.pipe(
    eventRates('fx-rates', undefined),
    ledger('ledger', { custom: [], cache_bytes: 400, rates: 'fx-rates' }),
  );
/** With a log, in which events are found that are corrected. */
const withLog = (input: Stream<EventBatch>) => {
  const kept = { custom: [], cache_bytes: 400, rates: 'fx-rates', log: 'log' };
  return input.pipe(
    eventRates('fx-rates', undefined),
    ledger('ledger', kept),
    eventLog('log', { schema: rowSchema() }),
  );
};
type Driver = Pick<TestDriver<EventBatch, unknown>, 'disk'>;

function ratesOf({ disk }: Driver): string[] {
  return disk.reader().snapshot((table) =>
    [...table('fx-rates/rates').scan()].map(({ key, value }) => {
      const reader = new ByteReader(key);
      const names = [reader.orderedString(), reader.orderedString(), reader.orderedString()].join(' ');
      const day = new Date(reader.u48()).toISOString().slice(0, 10);
      return `${names} ${day} ${rateAt(value, Number.POSITIVE_INFINITY)}`;
    }),
  );
}

describe('rates of events', () => {
  it('are kept by tenant, pair and time, as the text they came in, and passed on', async () => {
    const driver = await TestDriver.start(build);
    const batch = newBatch();
    const given: Partial<Rate>[] = [
      { rate: '1.10' },
      { rate: '1.2', day: 1 },
      { quote: 'JPY', rate: '160' },
      { base: 'GBP', quote: 'EUR', rate: '1.15' },
      { rate: '9', day: 2, isDead: true },
    ];
    await driver.push(announce(batch, ...given));
    expect(driver.out).toEqual([batch.own]);
    driver.commit();
    expect(ratesOf(driver)).toEqual([
      'tenant EUR JPY 2025-07-01 160',
      'tenant EUR USD 2025-07-01 1.10',
      'tenant EUR USD 2025-07-02 1.2',
      'tenant GBP EUR 2025-07-01 1.15',
    ]);
  });

  it('of one pair and time the greater stands, whatever the order and the commits, also of equal numbers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(['1.1', '1.10', '1.100', '1.05', '0.9'], { minLength: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (rates, cut) => {
          const batch = newBatch();
          let driver = await TestDriver.start(build);
          await driver.push(announce(batch, ...rates.slice(0, cut).map((rate) => ({ rate }))));
          driver.commit();
          driver = await driver.restart();
          await driver.push(announce(batch, ...rates.slice(cut).map((rate) => ({ rate }))));
          driver.commit();
          expect(ratesOf(driver)).toEqual(['tenant EUR USD 2025-07-01 1.100']);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('are those of the events that count: corrected, taken back and put back, in any order', async () => {
    // r0 is corrected to 1.3 and back to 1.05; r1 is taken back; r2, of the same time as r0, stays; r3 never was one.
    const said: readonly (Partial<TestEvent> & { readonly rate?: string })[] = [
      { id: 'r0', rate: '1.2' },
      { id: 'r0', rate: '1.3', amends: 'supersedes', version: 2 },
      { id: 'r0', rate: '1.05', amends: 'supersedes', version: 3 },
      { id: 'r1', rate: '1.4' },
      { id: 't1', type: 'event.retracted', amends: ['r1'], version: 4 },
      { id: 'r2', rate: '1.1' },
      { id: 'r3', rate: '1.9' },
      { id: 'r3', type: 'visit', amends: 'supersedes', version: 5 },
      { id: 'r4', rate: '1.5', time_ms: T + DAY_MS },
      { id: 't4', type: 'event.retracted', amends: ['r4'], version: 6 },
      { id: 't5', type: 'event.retracted', amends: ['t4'], version: 7 },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...said.keys()], { minLength: said.length }),
        fc.integer({ min: 1, max: 5 }),
        async (order, size) => {
          const batch = newBatch();
          let driver = await TestDriver.start(withLog);
          for (let at = 0; at < order.length; at += size) {
            batch.clear([]);
            for (const [after, index] of order.slice(at, at + size).entries()) {
              const { rate, ...event } = said[index] as (typeof said)[number];
              const whole = { type: 'fx.rate' as const, time_ms: T, payload: index, ...event };
              appendEvent(batch, testEvent({ id: '', ...whole }), at + after + 1);
              if (rate !== undefined) batch.rates.push({ row: batch.length - 1, ...EUR_USD, rate });
            }
            await driver.push(batch);
            driver.commit();
            if (size % 2 === 0) driver = await driver.restart();
          }
          expect(ratesOf(driver)).toEqual(['tenant EUR USD 2025-07-01 1.1', 'tenant EUR USD 2025-07-02 1.5']);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('ask for a commit before too many wait for it', async () => {
    const driver = await TestDriver.start(build);
    const many = Array.from({ length: 10_001 }, (_, day) => ({ day: day % 5_000, rate: '1.5' }));
    await driver.push(announce(newBatch(), ...many));
    expect(ratesOf(driver).length).toBe(5_000);
  });
});
