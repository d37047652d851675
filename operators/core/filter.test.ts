import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { filter } from './filter.ts';
import { map } from './map.ts';

interface Paid {
  readonly type: 'paid';
  readonly cents: number;
}
interface Shipped {
  readonly type: 'shipped';
}
type Event = Paid | Shipped;
const isPaid = (event: Event): event is Paid => event.type === 'paid';

describe('filter', () => {
  it('passes on what the predicate holds for, in order, and counts the rest', async () => {
    const driver = await TestDriver.start<number, number>((input) =>
      input.pipe(
        filter('small', (n) => n < 10),
        filter('even', (n) => n % 2 === 0),
      ),
    );
    await driver.push(4, 11, 3, 2);
    await driver.push(99);
    expect(driver.out).toEqual([4, 2]);
    expect(driver.counter('millrace.filter.dropped')).toBe(3);
  });

  it('a type guard narrows what flows on', async () => {
    const driver = await TestDriver.start<Event, number>((input) => {
      const paid = input.pipe(filter('paid', isPaid));
      expectTypeOf(paid).toEqualTypeOf<Stream<Paid>>();
      return paid.pipe(map('cents', ({ cents }) => cents));
    });
    await driver.push({ type: 'shipped' }, { type: 'paid', cents: 5 });
    expect(driver.out).toEqual([5]);
  });

  it('a plain predicate keeps the type', () => {
    expectTypeOf(filter<Event>('any', () => true)).toExtend<{ readonly name: string }>();
    const build = (input: Stream<Event>) => input.pipe(filter('any', ({ type }) => type === 'paid'));
    expectTypeOf(build).returns.toEqualTypeOf<Stream<Event>>();
  });
});
