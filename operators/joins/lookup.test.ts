import { describe, expect, it } from 'vitest';
import { TestDriver } from '../../engine/index.ts';
import { lookup } from './lookup.ts';

interface Bid {
  readonly auction: number;
}
const NAMES = new Map([
  ['1', 'lamp'],
  ['2', 'chair'],
]);

describe('lookup', () => {
  it('enriches from a map; left passes on what has no row', async () => {
    const driver = await TestDriver.start<Bid, string>((input) =>
      input.pipe(
        lookup('name', {
          keyOf: (bid: Bid) => String(bid.auction),
          table: NAMES,
          type: 'left',
          join: (bid, name) => `${bid.auction} ${name ?? 'unknown'}`,
        }),
      ),
    );
    await driver.push({ auction: 2 }, { auction: 3 }, { auction: 1 });
    expect(driver.out).toEqual(['2 chair', '3 unknown', '1 lamp']);
  });

  it('an inner lookup by a function drops and counts what has no row', async () => {
    const driver = await TestDriver.start<Bid, number>((input) =>
      input.pipe(
        lookup('name', {
          keyOf: (bid: Bid) => String(bid.auction),
          table: (key: string) => (key === '9' ? undefined : key.length),
          type: 'inner',
          join: (bid, length) => bid.auction + length,
        }),
      ),
    );
    await driver.push({ auction: 10 }, { auction: 9 });
    expect(driver.out).toEqual([12]);
    expect(driver.counter('millrace.lookup.missing')).toBe(1);
  });
});
