import { filter, type Stream, streamJoin, TestDriver } from '../../index.ts';

interface Person {
  readonly type: 'person';
  readonly id: number;
  readonly name: string;
}
interface Auction {
  readonly type: 'auction';
  readonly seller: number;
  readonly item: string;
}

/** Who sells what: every auction with its seller, however far apart the two come. */
const sellers = (events: Stream<Person | Auction>): Stream<string> => {
  const people = events.pipe(filter('people', (event): event is Person => event.type === 'person'));
  const auctions = events.pipe(filter('auctions', (event): event is Auction => event.type === 'auction'));
  return auctions.connect(
    people,
    streamJoin('sellers', {
      left: { keyOf: ({ seller }) => String(seller) },
      right: { keyOf: ({ id }) => String(id) },
      join: ({ item }, { name }) => `${name} sells a ${item}`,
    }),
  );
};

export default async function example(): Promise<unknown[]> {
  const sale = await TestDriver.start(sellers);
  await sale.push({ type: 'auction', seller: 1, item: 'lamp' });
  await sale.push({ type: 'person', id: 1, name: 'Ada' }, { type: 'person', id: 2, name: 'Max' });
  await sale.push({ type: 'auction', seller: 1, item: 'chair' });
  return sale.out;
}

export const expected: unknown[] = ['Ada sells a lamp', 'Ada sells a chair'];
