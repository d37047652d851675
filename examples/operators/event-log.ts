import {
  Dictionary,
  eventLog,
  eventLogView,
  type LogSchema,
  planScan,
  RowBatch,
  type Stream,
  scanChunks,
  TestDriver,
} from '../../index.ts';

const schema: LogSchema = {
  columns: [
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
const [COUNTRY, RETRACTION, AMOUNT] = [0, 1, 0];

type Order = readonly [sequence: number, country: string, cents: number, retraction?: 1];

function rowsOf(dictionary: Dictionary, orders: readonly Order[]): RowBatch {
  const rows = new RowBatch(schema, dictionary);
  for (const [sequence, country, cents, retraction = 0] of orders) {
    const row = rows.append();
    rows.time_ms[row] = sequence * 1_000;
    rows.sequence[row] = sequence;
    rows.scope[row] = dictionary.codeOf('shop');
    const codes = [dictionary.codeOf(country), retraction];
    for (const [column, code] of codes.entries()) rows.columns.codes[column]?.fill(code, row, row + 1);
    rows.columns.numbers[AMOUNT]?.fill(cents, row, row + 1);
  }
  return rows;
}

export default async function example(): Promise<unknown[]> {
  const dictionary = new Dictionary();
  const shop = await TestDriver.start((rows: Stream<RowBatch>) => rows.pipe(eventLog('log', { schema })));
  await shop.push(
    rowsOf(dictionary, [
      [1, 'DE', 1_000],
      [2, 'FR', 700],
    ]),
  );
  shop.commit();
  // The order of France was one of Germany: its row is taken back, and comes again.
  await shop.push(
    rowsOf(dictionary, [
      [3, 'FR', 700, 1],
      [3, 'DE', 700],
    ]),
  );
  shop.commit();
  return shop.disk.reader().snapshot((table) => {
    const log = eventLogView(table, 'log');
    /** What was sold by country, as the log had it at a sequence. */
    const soldAt = (upTo: number): Record<string, number> => {
      const plan = planScan(log, { scope: 'shop', start_ms: 0, end_ms: 60_000, upTo });
      const sold: Record<string, number> = {};
      scanChunks(log, plan, schema, (chunk) => {
        const [country, retraction] = [chunk.code(COUNTRY), chunk.code(RETRACTION)];
        const [amount, sequence] = [chunk.number(AMOUNT), chunk.sequence()];
        const valueAt = ({ index, values }: typeof country, row: number): number =>
          values[index?.[row] ?? 0] ?? 0;
        for (let row = 0; row < chunk.rows; row++) {
          if ((sequence[row] ?? 0) > upTo) continue;
          const name = dictionary.textOf(valueAt(country, row));
          const sign = valueAt(retraction, row) === 1 ? -1 : 1;
          sold[name] = (sold[name] ?? 0) + sign * (amount[row] ?? 0);
        }
      });
      return sold;
    };
    return [soldAt(3), soldAt(2)];
  });
}

export const expected = [
  { DE: 1_700, FR: 0 },
  { DE: 1_000, FR: 700 },
];
