import { filter, map, TestDriver } from '../../index.ts';

type Event =
  | { readonly type: 'paid'; readonly order: string; readonly cents: number }
  | { readonly type: 'shipped'; readonly order: string };
type Paid = Extract<Event, { type: 'paid' }>;

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Event, string>((events) =>
    events.pipe(
      // A type guard: what comes after it is a payment, and has `cents`.
      filter('payments', (event): event is Paid => event.type === 'paid'),
      filter('large', ({ cents }) => cents >= 10_000),
      map('describe', ({ order, cents }) => `${order} paid ${cents / 100}`),
    ),
  );
  await driver.push(
    { type: 'paid', order: 'o1', cents: 12_000 },
    { type: 'shipped', order: 'o1' },
    { type: 'paid', order: 'o2', cents: 500 },
  );
  return [...driver.out, `${driver.counter('millrace.filter.dropped')} left out`];
}

export const expected: unknown[] = ['o1 paid 120', '2 left out'];
