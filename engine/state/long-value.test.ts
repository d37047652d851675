import { afterEach, expect, it } from 'vitest';
import { StoreFixture } from './fixture-stores.ts';
import { longValueBytes } from './long-value.ts';

const fixture = new StoreFixture();
afterEach(() => fixture.close());

const VALUES = 500;
const PAGES = 4;

/** Pages of the file for each of many values of a size. */
function pagesEach(bytes: number): number {
  const { store } = fixture.open('lmdb');
  store.transaction(() => {
    for (let key = 0; key < VALUES; key++)
      store.table('values').put(Uint8Array.of(key >>> 8, key), new Uint8Array(bytes));
  });
  return Math.floor(store.sizeBytes() / 4_096 / VALUES);
}

it('is the longest value that LMDB keeps in so many pages', () => {
  expect(pagesEach(longValueBytes(PAGES))).toBe(PAGES);
  expect(pagesEach(longValueBytes(PAGES) + 1)).toBe(PAGES + 1);
});
