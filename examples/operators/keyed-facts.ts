import { keyedFacts, type Stream, stringCodec, TestDriver } from '../../index.ts';

interface OrderEvent {
  readonly shop: string;
  readonly order: string;
  readonly type: 'placed' | 'paid';
  readonly id: number;
  readonly via: string;
  readonly time_ms: number;
}

/** When each order was first placed and first paid, and by which way. */
const firsts = (events: Stream<OrderEvent>) =>
  events.pipe(
    keyedFacts<OrderEvent, string>('firsts', {
      entities: [
        {
          name: 'order',
          slots: ['placed', 'paid'],
          slotsOf: ({ type }) => [type === 'placed' ? 0 : 1],
          keyOf: ({ order }) => order,
        },
      ],
      scopeOf: ({ shop }) => shop,
      timeOf: ({ time_ms }) => time_ms,
      tieOf: ({ id }) => id,
      payloadOf: ({ via }) => via,
      payloadCodec: stringCodec,
      version: 1,
      retain_ms: 90 * 86_400_000,
      cacheRows: 100_000,
    }),
  );

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start(firsts);
  const order = { shop: 'oslo', order: 'o1' };
  await driver.push(
    { ...order, type: 'placed', id: 1, via: 'web', time_ms: 1_000 },
    { ...order, type: 'paid', id: 2, via: 'card', time_ms: 9_000 },
    // Comes late, and was the first payment: the other one is taken back.
    { ...order, type: 'paid', id: 3, via: 'voucher', time_ms: 5_000 },
    { ...order, type: 'paid', id: 4, via: 'card', time_ms: 9_500 },
  );
  return driver.out.map(({ event, changes }) => [
    event.id,
    ...changes.map(({ before, after }) => `${before?.payload ?? 'nothing'} -> ${after.payload}`),
  ]);
}

export const expected: unknown[] = [
  [1, 'nothing -> web'],
  [2, 'nothing -> card'],
  [3, 'card -> voucher'],
  [4],
];
