import { describe, expect, it } from 'vitest';
import { ByteReader, type MemoryDisk } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { runEvents } from '../fixture-run.ts';

function ratesOf(disk: MemoryDisk): string[] {
  return [...disk.open().table('fx-rates/rates').scan()].map(({ key, value }) => {
    const reader = new ByteReader(key);
    const pair = [reader.orderedString(), reader.orderedString(), reader.orderedString()].join(' ');
    return `${pair} ${new Date(reader.u48()).toISOString().slice(0, 10)} ${Buffer.from(value).toString()}`;
  });
}

const rate = (event_id: string, members: Readonly<Record<string, unknown>>, day = '01') => ({
  event_id,
  type: 'fx.rate',
  time: `2025-07-${day}T00:00:00Z`,
  base: 'EUR',
  quote: 'USD',
  ...members,
});

describe('fx rates', () => {
  it('are kept by tenant, pair and time, as the text they came in', async () => {
    const { disk } = await runEvents([
      [rate('1', { rate: '1.10' }), rate('2', { rate: 1.2 }, '02'), rate('3', { quote: 'JPY', rate: '160' })],
      [rate('4', { base: undefined, quote: undefined, data: { base: 'GBP', quote: 'EUR' }, rate: '1.15' })],
    ]);
    expect(ratesOf(disk)).toEqual([
      'acme EUR JPY 2025-07-01 160',
      'acme EUR USD 2025-07-01 1.10',
      'acme EUR USD 2025-07-02 1.2',
      'acme GBP EUR 2025-07-01 1.15',
    ]);
  });

  it('of one pair and time the greater stands, whatever the order and the commits, also of equal numbers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(['1.1', '1.10', '1.100', '1.05', '0.9'], { minLength: 5 }),
        fc.integer({ min: 1, max: 5 }),
        async (rates, cut) => {
          const events = rates.map((text, index) => rate(String(index), { rate: text }));
          const { disk } = await runEvents([events.slice(0, cut), events.slice(cut)]);
          expect(ratesOf(disk)).toEqual(['acme EUR USD 2025-07-01 1.100']);
        },
      ),
      { numRuns: 10 },
    );
  });

  it.each([
    { rate: 0 },
    { rate: -1 },
    { rate: '1,5' },
    { rate: '1e3' },
    { rate: undefined },
    { rate: '1.5', base: 'eur' },
    { rate: '1.5', quote: null },
    { rate: 1e-9 },
  ])('without a usable pair and rate is listed: %j', async (members) => {
    const { disk, notices } = await runEvents([[rate('1', members)]]);
    expect([ratesOf(disk), notices]).toEqual([[], { acme: { bad_rate: 1 } }]);
  });
});
