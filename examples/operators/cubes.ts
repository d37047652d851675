import {
  cubes,
  cubeViews,
  Dictionary,
  type LogSchema,
  RowBatch,
  type RowReader,
  readCubeInfo,
  type Stream,
  scanCells,
  TestDriver,
} from '../../index.ts';

const DAY_MS = 86_400_000;
const schema: LogSchema = {
  columns: [
    { name: 'currency', kind: 'code', text: true },
    { name: 'country', kind: 'code', text: true },
    { name: 'retraction', kind: 'code' },
    { name: 'customer', kind: 'hash' },
    { name: 'amount', kind: 'number' },
  ],
  items: [],
  sortBy: 'customer',
  retraction: 'retraction',
};
// Places among the columns of their kind.
const [CURRENCY, RETRACTION, AMOUNT] = [0, 2, 0];
const [ORDERS, REVENUE] = [0, 1];

/** Each row counts as an order, and adds its amount; a retraction takes both back. */
class OrderReader implements RowReader {
  readonly measures = 2;
  readonly version = '1';
  readonly currency = CURRENCY;
  readonly columns = { codes: [CURRENCY, RETRACTION], numbers: [AMOUNT], itemNumbers: [] };
  readonly measure = Int32Array.of(ORDERS, REVENUE);
  readonly value = new Float64Array(2);
  readonly groupCodes = new Int32Array(0);
  #retraction: Int32Array | undefined;
  #amount: Float64Array | undefined;

  open({ columns }: RowBatch): void {
    this.#retraction = columns.codes[RETRACTION];
    this.#amount = columns.numbers[AMOUNT];
  }

  read(row: number): number {
    const sign = this.#retraction?.[row] === 1 ? -1 : 1;
    this.value[0] = sign;
    this.value[1] = sign * (this.#amount?.[row] ?? 0);
    return 2;
  }

  // Rows without items have no groups of them.
  group = () => 0;
  readGroup = () => 0;
}

type Order = readonly [country: string, cents: number, time_ms: number, retraction?: 1];

function rowsOf(dictionary: Dictionary, orders: readonly Order[]): RowBatch {
  const rows = new RowBatch(schema, dictionary);
  for (const [country, cents, time_ms, retraction = 0] of orders) {
    const row = rows.append();
    rows.time_ms[row] = time_ms;
    rows.scope[row] = dictionary.codeOf('shop');
    const codes = [dictionary.codeOf('EUR'), dictionary.codeOf(country), retraction];
    for (const [column, code] of codes.entries()) rows.columns.codes[column]?.fill(code, row, row + 1);
    rows.columns.numbers[AMOUNT]?.fill(cents, row, row + 1);
  }
  return rows;
}

export default async function example(): Promise<unknown[]> {
  const dictionary = new Dictionary();
  const shop = await TestDriver.start((rows: Stream<RowBatch>) =>
    rows.pipe(
      cubes('cubes', {
        schema,
        cubes: [{ name: 'country', dimensions: ['country'], bucket_ms: DAY_MS }],
        reader: () => new OrderReader(),
        dictionaryTable: 'decode/dictionary',
      }),
    ),
  );
  await shop.push(
    rowsOf(dictionary, [
      ['DE', 1_000, 5],
      ['FR', 700, 60_000],
      ['DE', 250, DAY_MS - 1],
    ]),
  );
  shop.commit();
  // The order of France was one of Germany.
  await shop.push(
    rowsOf(dictionary, [
      ['FR', 700, 60_000, 1],
      ['DE', 700, 60_000],
    ]),
  );
  shop.commit();
  return shop.disk.reader().snapshot((table) => {
    const { cells, definitions } = cubeViews(table, 'cubes');
    const found: unknown[] = [];
    for (const cube of readCubeInfo(definitions)) {
      scanCells(
        cells,
        { scope: 'shop', cube, start_ms: 0, end_ms: DAY_MS },
        (_day, [country = 0], _eur, { sums }) => {
          found.push([dictionary.textOf(country), ...sums]);
        },
      );
    }
    return found;
  });
}

export const expected = [['DE', 3, 1_950]];
