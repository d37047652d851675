import { describe, expect, it } from 'vitest';
import { ByteReader, type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { EventBatch } from '../events/index.ts';
import { rateAt } from '../query/index.ts';
import { eventRates } from './event-rates.ts';
import { appendEvent, newBatch, testEvent } from './fixture-events.ts';

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

const build = (input: Stream<EventBatch>) => input.pipe(eventRates('fx-rates', undefined));

function ratesOf({ disk }: TestDriver<EventBatch, EventBatch>): string[] {
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
    expect(driver.out).toEqual([batch]);
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

  it.each<Partial<Rate>>([
    { rate: '0' },
    { rate: '-1' },
    { rate: '1,5' },
    { rate: '1e3' },
    { base: 'eur' },
    { quote: '' },
  ])('without a usable pair and rate are listed: %j', async (rate) => {
    const driver = await TestDriver.start(build);
    await driver.push(announce(newBatch(), rate));
    driver.commit();
    expect(ratesOf(driver)).toEqual([]);
    expect(driver.progress?.notices).toEqual({ tenant: { bad_rate: 1 } });
  });

  it('ask for a commit before too many wait for it', async () => {
    const driver = await TestDriver.start(build);
    const many = Array.from({ length: 10_001 }, (_, day) => ({ day: day % 5_000, rate: '1.5' }));
    await driver.push(announce(newBatch(), ...many));
    expect(ratesOf(driver).length).toBe(5_000);
  });
});
