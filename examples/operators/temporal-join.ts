import { filter, type Stream, TestDriver, temporalJoin } from '../../index.ts';

interface Order {
  readonly type: 'order';
  readonly amount: number;
  readonly currency: string;
  readonly time_ms: number;
}
interface Rate {
  readonly type: 'rate';
  readonly currency: string;
  readonly toEuro: number;
  readonly time_ms: number;
}

/** Orders in euro, at the exchange rate as of the order. */
const inEuro = (events: Stream<Order | Rate>): Stream<string> => {
  const orders = events.pipe(filter('orders', (event): event is Order => event.type === 'order'));
  const rates = events.pipe(filter('rates', (event): event is Rate => event.type === 'rate'));
  return orders.connect(
    rates,
    temporalJoin('in-euro', {
      left: { keyOf: ({ currency }) => currency, timeOf: ({ time_ms }) => time_ms },
      right: { keyOf: ({ currency }) => currency, timeOf: ({ time_ms }) => time_ms },
      type: 'left',
      join: ({ amount, currency }, rate) =>
        `${amount} ${currency} = ${rate === undefined ? 'unknown' : `${amount * rate.toEuro} EUR`}`,
    }),
  );
};

export default async function example(): Promise<unknown[]> {
  const shop = await TestDriver.start(inEuro);
  await shop.push({ type: 'order', amount: 10, currency: 'USD', time_ms: 5_000 });
  await shop.push({ type: 'order', amount: 10, currency: 'USD', time_ms: 9_000 });
  // Rates that come after the orders that they are for.
  await shop.push({ type: 'rate', currency: 'USD', toEuro: 0.75, time_ms: 8_000 });
  await shop.push({ type: 'rate', currency: 'USD', toEuro: 0.5, time_ms: 1_000 });
  await shop.advanceTo(10_000);
  return shop.out;
}

export const expected: unknown[] = ['10 USD = 5 EUR', '10 USD = 7.5 EUR'];
