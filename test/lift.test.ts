import {
  bufferCount,
  delay,
  from,
  mergeMap,
  pairwise,
  pipe,
  map as rxMap,
  scan,
  share,
  startWith,
  take,
  throwError,
} from 'rxjs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Stream, TestDriver } from '../engine/index.ts';
import { lift, map } from '../operators/index.ts';

describe('lift', () => {
  it('runs RxJS operators on values, over the borders of batches', async () => {
    const driver = await TestDriver.start((input: Stream<number>) => {
      const pairs = input.pipe(
        lift(
          'sums',
          scan((sum, n: number) => sum + n, 0),
        ),
        lift(
          'pairs',
          pipe(
            pairwise<number>(),
            rxMap(([a, b]) => `${a}-${b}`),
          ),
        ),
      );
      expectTypeOf(pairs).toEqualTypeOf<Stream<string>>();
      return pairs.pipe(map('marked', (pair) => `<${pair}>`));
    });
    await driver.push(1, 2);
    await driver.push(3);
    expect(driver.out).toEqual(['<1-3>', '<3-6>']);
  });

  it('an operator may emit nothing, several, or when it begins', async () => {
    const driver = await TestDriver.start<number, readonly number[]>((input) =>
      input.pipe(lift('start', startWith(0)), lift('buffer', bufferCount(2))),
    );
    await driver.push(1, 2);
    expect(driver.out).toEqual([[0, 1]]);
    await driver.push(3);
    expect(driver.out).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('counts what comes after it has completed', async () => {
    const driver = await TestDriver.start<number, number>((input) => input.pipe(lift('two', take(2))));
    await driver.push(1, 2, 3);
    await driver.push(4);
    driver.commit();
    expect(driver.out).toEqual([1, 2]);
    expect(driver.counter('millrace.lift.ignored')).toBe(2);
  });

  it('stops the task, before a commit, when something is emitted later', async () => {
    const driver = await TestDriver.start<number, number>((input) => input.pipe(lift('late', delay(1))));
    await driver.push(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(driver.out).toEqual([]);
    expect(() => driver.commit()).toThrow(expect.objectContaining({ code: 'asynchronous_emission' }));
  });

  it('stops the task with the error of the operator', async () => {
    const failing = mergeMap((n: number) => (n > 1 ? throwError(() => new Error('too large')) : [n]));
    const driver = await TestDriver.start<number, number>((input) => input.pipe(lift('small', failing)));
    await driver.push(1);
    await expect(driver.push(2)).rejects.toThrow('too large');
  });

  it('begins anew after a restart: nothing of it is committed', async () => {
    const build = (input: Stream<number>) =>
      input.pipe(
        lift(
          'sums',
          scan((sum, n: number) => sum + n, 0),
        ),
      );
    const first = await TestDriver.start(build);
    await first.push(1, 2);
    first.commit();
    const second = await first.restart();
    await second.push(3);
    expect(second.out).toEqual([3]);
  });

  it('takes operators of another copy of RxJS than the one in the built package', async () => {
    const built = await import('millrace');
    expect(built.TestDriver).not.toBe(TestDriver);
    const driver = await built.TestDriver.start<number, string>((input) =>
      input.pipe(
        built.lift(
          'twice',
          pipe(
            mergeMap((n: number) => from([n, n])),
            share(),
            pairwise(),
          ),
        ),
        built.lift(
          'told',
          pipe(
            rxMap((pair) => String(pair)),
            startWith('first'),
            take(4),
          ),
        ),
      ),
    );
    await driver.push(1, 2);
    await driver.push(3);
    expect(driver.out).toEqual(['first', '1,1', '1,2', '2,2']);
    expect(driver.counter('millrace.lift.ignored')).toBe(2);
    const fails = built.lift(
      'fails',
      mergeMap((n: number) => throwError(() => new Error(`no ${n}`))),
    );
    const failing = await built.TestDriver.start<number, number>((input) => input.pipe(fails));
    await expect(failing.push(7)).rejects.toThrow('no 7');
    const late = await built.TestDriver.start<number, number>((input) =>
      input.pipe(built.lift('late', delay(1))),
    );
    await late.push(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(() => late.commit()).toThrow(expect.objectContaining({ code: 'asynchronous_emission' }));
  });
});
