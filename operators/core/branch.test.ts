import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Stream, TestDriver, topology } from '../../engine/index.ts';
import { branch, split } from './branch.ts';
import { map } from './map.ts';

interface Paid {
  readonly type: 'paid';
  readonly cents: number;
}
interface Refunded {
  readonly type: 'refunded';
  readonly cents: number;
}
interface Shipped {
  readonly type: 'shipped';
}
type Event = Paid | Refunded | Shipped;
const isPaid = (event: Event): event is Paid => event.type === 'paid';

const events: Event[] = [
  { type: 'paid', cents: 5 },
  { type: 'shipped' },
  { type: 'paid', cents: 500 },
  { type: 'refunded', cents: 7 },
];

const byType = (input: Stream<Event>) =>
  branch(input, 'by-type', {
    large: (event) => event.type === 'paid' && event.cents > 100,
    paid: isPaid,
    refunded: ({ type }) => type === 'refunded',
  });

async function outOf<B>(build: (input: Stream<Event>) => Stream<B>): Promise<TestDriver<Event, B>> {
  const driver = await TestDriver.start(build);
  await driver.push(...events);
  await driver.advanceTo(7);
  driver.commit();
  return driver;
}

describe('branch', () => {
  it('sends each item to the first branch that holds; the others see watermarks only', async () => {
    expect((await outOf((input) => byType(input).large)).out).toEqual([{ type: 'paid', cents: 500 }]);
    const paid = await outOf((input) => byType(input).paid.pipe(map('cents', ({ cents }) => cents)));
    expect(paid.out).toEqual([5]);
    expect(paid.watermarks).toEqual([7]);
    expect((await outOf((input) => byType(input).refunded)).out).toEqual([{ type: 'refunded', cents: 7 }]);
  });

  it('counts what no branch takes, and `split` has it as its main output', async () => {
    const driver = await outOf((input) => byType(input).paid);
    expect(driver.counter('millrace.branch.unmatched')).toBe(1);
    const rest = await outOf((input) => input.pipe(split('by-type', { paid: isPaid })));
    expect(rest.out).toEqual([{ type: 'shipped' }, { type: 'refunded', cents: 7 }]);
  });

  it('gives each branch the type of its guard', () => {
    topology('types', (t) => {
      const stream = t.source('source').pipe(map('events', (): Event => ({ type: 'shipped' })));
      const { paid, rest } = branch(stream, 'by-type', {
        paid: isPaid,
        rest: (event) => {
          expectTypeOf(event).toEqualTypeOf<Event>();
          return Date.now() > 0;
        },
      });
      expectTypeOf(paid).toEqualTypeOf<Stream<Paid>>();
      expectTypeOf(rest).toEqualTypeOf<Stream<Event>>();
    });
  });

  it('refuses to be without branches', () => {
    expect(() => split('none', {})).toThrow('no branches');
  });

  it('refuses names that would not keep their place', () => {
    const all = (): boolean => true;
    expect(() => split('by-size', { small: all, 100: all })).toThrow('the branch "100"');
    expect(() => topology('none', (t) => void t.merge('none'))).toThrow('no streams');
  });
});
