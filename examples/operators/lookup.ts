import { lookup, type Stream, TestDriver } from '../../index.ts';

interface Order {
  readonly id: string;
  readonly country: string;
}

const CONTINENTS: ReadonlyMap<string, string> = new Map([
  ['DE', 'Europe'],
  ['JP', 'Asia'],
]);

/** Orders with the continent that they come from, by a table that the program brings along. */
const withContinent = (orders: Stream<Order>): Stream<string> =>
  orders.pipe(
    lookup('with-continent', {
      keyOf: ({ country }) => country,
      table: CONTINENTS,
      type: 'left',
      join: ({ id }, continent) => `${id} ${continent ?? 'elsewhere'}`,
    }),
  );

export default async function example(): Promise<unknown[]> {
  const shop = await TestDriver.start(withContinent);
  await shop.push({ id: 'o1', country: 'JP' }, { id: 'o2', country: 'BR' }, { id: 'o3', country: 'DE' });
  return shop.out;
}

export const expected: unknown[] = ['o1 Asia', 'o2 elsewhere', 'o3 Europe'];
