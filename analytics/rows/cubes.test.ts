import { describe, expect, it } from 'vitest';
import { Dictionary, RowBatch, type Stream, TestDriver } from '../../engine/index.ts';
import { cubes, cubeViews, readCubeInfo, scanCells } from '../../operators/index.ts';
import { RowContribution } from './contribution.ts';
import { cubeOf, DEFAULT_ROW_CUBES } from './default-cubes.ts';
import { M } from './measures.ts';
import { CODE, ITEM_CODE, ITEM_NUMBER, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from './row-schema.ts';

const DAY_MS = 86_400_000;
const T = 20_000 * DAY_MS;
const dimension = (name: (typeof ROW_DIMENSIONS)[number]): number =>
  CODE.dimensions + ROW_DIMENSIONS.indexOf(name);

/** An order of 3 × 10.00 of a, 1 × 30.00 of b and 1 × 0.01 of a in another category, shipped for 1.00. */
function order(dictionary: Dictionary): RowBatch {
  const batch = new RowBatch(rowSchema(), dictionary);
  const row = batch.append();
  batch.time_ms[row] = T + 1;
  batch.scope[row] = dictionary.codeOf('shop');
  const set = (column: number, code: number): void => {
    (batch.columns.codes[column] as Int32Array)[row] = code;
  };
  set(CODE.marks, MARK.orders | MARK.customers_new);
  set(CODE.currency, dictionary.codeOf('EUR'));
  set(dimension('country'), dictionary.codeOf('DE'));
  set(dimension('sku'), dictionary.codeOf('of the row'));
  const amounts = { amount: 6_001, discount: 601, shipping: 100, tax: Number.NaN, value: Number.NaN };
  for (const [name, amount] of Object.entries(amounts))
    (batch.columns.numbers[NUMBER[name as keyof typeof amounts]] as Float64Array)[row] = amount;
  const lines = [
    ['a', 'x', 3, 1_000],
    ['b', 'x', 1, 3_000],
    ['a', 'y', 1, 1],
  ] as const;
  batch.itemStart[row] = batch.appendItems(lines.length);
  batch.itemCount[row] = lines.length;
  for (const [at, [sku, category, quantity, unit_price]] of lines.entries()) {
    (batch.items.codes[ITEM_CODE.sku] as Int32Array)[at] = dictionary.codeOf(sku);
    (batch.items.codes[ITEM_CODE.category] as Int32Array)[at] = dictionary.codeOf(category);
    (batch.items.numbers[ITEM_NUMBER.quantity] as Float64Array)[at] = quantity;
    (batch.items.numbers[ITEM_NUMBER.unit_price] as Float64Array)[at] = unit_price;
  }
  return batch;
}

describe('cubes of orders', () => {
  it('count an order once as a whole and once a sku, with the money of its lines', async () => {
    const dictionary = new Dictionary();
    const wanted = [...DEFAULT_ROW_CUBES, cubeOf(['country', 'sku'], '1d'), cubeOf(['category'], '1h')];
    const config = { schema: rowSchema(), dictionaryTable: 'none/none', reader: () => new RowContribution() };
    const driver = await TestDriver.start((rows: Stream<RowBatch>) =>
      rows.pipe(cubes('cubes', { ...config, cubes: wanted })),
    );
    await driver.push(order(dictionary));
    driver.commit();
    const measures = ['orders', 'units', 'revenue_gross', 'discount', 'shipping', 'customers_new'] as const;
    const read = (name: string): unknown[] =>
      driver.disk.reader().snapshot((table) => {
        const { cells, definitions } = cubeViews(table, 'cubes');
        const cube = readCubeInfo(definitions).find((each) => each.name === name);
        if (cube === undefined) throw new Error(`there is no cube ${name}`);
        const found: unknown[] = [];
        const range = { scope: 'shop', cube, start_ms: T, end_ms: T + DAY_MS };
        scanCells(cells, range, (bucket_ms, codes, _currency, { sums }) => {
          expect(bucket_ms).toBe(T);
          found.push([
            ...Array.from(codes, (code) => dictionary.textOf(code)),
            ...measures.map((m) => sums[M[m]]),
          ]);
        });
        return found;
      });
    expect(read('total@1d')).toEqual([[1, 5, 6_001, 601, 100, 1]]);
    expect(read('country@1d')).toEqual([['DE', 1, 5, 6_001, 601, 100, 1]]);
    // 3,000 : 3,000 : 1 of 601 are 301, 300 and 0; of 100 they are 50, 50 and 0.
    expect(read('country+sku@1d')).toEqual([
      ['DE', 'a', 1, 4, 3_001, 301, 50, 1],
      ['DE', 'b', 1, 1, 3_000, 300, 50, 1],
    ]);
    expect(read('category@1h')).toEqual([
      ['x', 1, 4, 6_000, 601, 100, 1],
      ['y', 1, 1, 1, 0, 0, 1],
    ]);
  });
});
