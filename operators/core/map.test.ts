import { describe, expect, expectTypeOf, it } from 'vitest';
import { type SourceRecord, type Stream, TestDriver, topology } from '../../engine/index.ts';
import { filter } from './filter.ts';
import { map } from './map.ts';

describe('map', () => {
  it('gives each item as one other, in order and batch by batch', async () => {
    const driver = await TestDriver.start<number, string>((input) =>
      input.pipe(map('twice', (n) => `${n * 2}`)),
    );
    await driver.push(2, 0, 1);
    await driver.push();
    await driver.push(7);
    expect(driver.out).toEqual(['4', '0', '2', '14']);
  });

  it('takes a config too, and undefined is an item', async () => {
    const driver = await TestDriver.start<number, number | undefined>((input) =>
      input.pipe(map('odd', { each: (n) => (n % 2 === 1 ? n : undefined) })),
    );
    await driver.push(1, 2);
    expect(driver.out).toEqual([1, undefined]);
  });

  it('fails the task with what the function throws', async () => {
    const driver = await TestDriver.start<number, number>((input) =>
      input.pipe(
        map('strict', (n) => {
          if (n < 0) throw new Error('negative');
          return n;
        }),
      ),
    );
    await expect(driver.push(1, -1)).rejects.toThrow('negative');
  });

  it('types flow through a pipe', () => {
    topology('types', (t) => {
      const numbers = t.source('source').pipe(
        map('sequence', (record) => {
          expectTypeOf(record).toEqualTypeOf<SourceRecord>();
          return record.sequence;
        }),
        map('text', (n) => {
          expectTypeOf(n).toEqualTypeOf<number>();
          return n > 1 ? `${n}` : undefined;
        }),
        filter('present', (text) => text !== undefined),
      );
      expectTypeOf(numbers).toEqualTypeOf<Stream<string>>();
    });
  });
});
