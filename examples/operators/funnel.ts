import { type FunnelChange, funnel, type Stream, TestDriver } from '../../index.ts';

interface ShopEvent {
  readonly session: string;
  readonly type: 'product_viewed' | 'add_to_cart' | 'order.created';
  readonly time_ms: number;
  readonly country: string;
}

const is = (type: ShopEvent['type']) => (event: ShopEvent) => event.type === type;

/** From the product page to the order within half an hour, by the country of the first page. */
const toOrder = (events: Stream<ShopEvent>): Stream<FunnelChange> =>
  events.pipe(
    funnel('to-order', {
      keyOf: ({ session }) => session,
      timeOf: ({ time_ms }) => time_ms,
      steps: [
        { name: 'view', matches: is('product_viewed') },
        { name: 'cart', matches: is('add_to_cart') },
        { name: 'order', matches: is('order.created') },
      ],
      window_ms: 1_800_000,
      groupBy: { value: ({ country }) => country, attribution: 'first_step' },
    }),
  );

export default async function example(): Promise<unknown[]> {
  const shop = await TestDriver.start(toOrder);
  await shop.push(
    { session: 's1', type: 'product_viewed', time_ms: 0, country: 'DE' },
    { session: 's2', type: 'product_viewed', time_ms: 5_000, country: 'FR' },
    { session: 's1', type: 'order.created', time_ms: 60_000, country: 'DE' },
  );
  // The missing step comes late: the record of s1 is corrected.
  await shop.push({ session: 's1', type: 'add_to_cart', time_ms: 30_000, country: 'DE' });
  await shop.advanceTo(1_805_000);
  return shop.out.map(({ key, kind, status, furthest, group }) =>
    [kind, key, group, furthest, status].join(' '),
  );
}

export const expected: unknown[] = [
  'insert s1 DE 1 in_progress',
  'insert s2 FR 1 in_progress',
  'retract s1 DE 1 in_progress',
  'insert s1 DE 3 converted',
  'retract s2 FR 1 in_progress',
  'insert s2 FR 1 dropped',
];
