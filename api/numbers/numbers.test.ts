import { afterAll, beforeAll, describe, it } from 'vitest';
import { COMPARED } from './fixture-catalogue.ts';
import { ShopWorld } from './fixture-world.ts';

let shop: ShopWorld;
beforeAll(async () => {
  shop = await ShopWorld.open();
});
afterAll(() => shop.close());

describe.each(Object.entries(COMPARED))('the numbers of %s', (_, comparisons) => {
  it.each(comparisons)('%s are those of SQL over the same events', async (_endpoint, compare) => {
    await compare(shop);
  });
});
