import { describe, expect, it } from 'vitest';
import { Dictionary, RowBatch } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { RowContribution } from './contribution.ts';
import { CONTRIBUTIONS, MEASURES, type Measure, needsOf } from './measures.ts';
import { CODE, ITEM_CODE, ITEM_NUMBER, MARK, type Mark, NUMBER, rowSchema } from './row-schema.ts';

interface Line {
  readonly sku: number;
  readonly category: number;
  readonly quantity: number;
  readonly unit_price: number;
}

interface Row {
  readonly marks: readonly Mark[];
  readonly retraction: boolean;
  readonly numbers: Readonly<Record<'amount' | 'discount' | 'shipping' | 'tax' | 'value', number>>;
  readonly lines: readonly Line[];
}

const money = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.constant(Number.NaN),
  fc.constantFrom(0, Number.MAX_SAFE_INTEGER),
);
const anyRow: fc.Arbitrary<Row> = fc.record({
  marks: fc.subarray(Object.keys(MARK) as Mark[]),
  retraction: fc.boolean(),
  numbers: fc.record({ amount: money, discount: money, shipping: money, tax: money, value: money }),
  lines: fc.array(
    fc.record({
      sku: fc.nat(3),
      category: fc.nat(2),
      quantity: fc.integer({ min: -3, max: 9 }),
      unit_price: fc.integer({ min: 0, max: 10_000 }),
    }),
    { maxLength: 6 },
  ),
});

function batchOf(rows: readonly Row[]): RowBatch {
  const batch = new RowBatch(rowSchema(), new Dictionary());
  for (const { marks, retraction, numbers, lines } of rows) {
    const row = batch.append();
    const { columns, items } = batch;
    (columns.codes[CODE.marks] as Int32Array)[row] = marks.reduce((bits, mark) => bits | MARK[mark], 0);
    (columns.codes[CODE.retraction] as Int32Array)[row] = retraction ? 1 : 0;
    for (const name of ['amount', 'discount', 'shipping', 'tax', 'value'] as const)
      (columns.numbers[NUMBER[name]] as Float64Array)[row] = numbers[name];
    const first = batch.appendItems(lines.length);
    batch.itemStart[row] = first;
    batch.itemCount[row] = lines.length;
    for (const [at, line] of lines.entries()) {
      (items.codes[ITEM_CODE.sku] as Int32Array)[first + at] = line.sku;
      (items.codes[ITEM_CODE.category] as Int32Array)[first + at] = line.category;
      (items.numbers[ITEM_NUMBER.quantity] as Float64Array)[first + at] = line.quantity;
      (items.numbers[ITEM_NUMBER.unit_price] as Float64Array)[first + at] = line.unit_price;
    }
  }
  return batch;
}

type Sums = Partial<Record<Measure, number>>;

function read(reader: RowContribution, additions: number): Sums {
  const sums: Sums = {};
  for (let at = 0; at < additions; at++) {
    const name = MEASURES[reader.measure[at] as number] as Measure;
    sums[name] = (sums[name] ?? 0) + (reader.value[at] as number);
  }
  return sums;
}

/** What the documentation says, written once more. `part` turns an amount of the row into what is looked at. */
function meaning(row: Row, lines: readonly Line[] | undefined, part: (amount: number) => number): Sums {
  const has = (mark: Mark): boolean => row.marks.includes(mark);
  const { amount, discount, shipping, tax, value } = row.numbers;
  const lineSum = lines?.reduce((sum, { quantity, unit_price }) => sum + quantity * unit_price, 0);
  const sums: Sums = {};
  const add = (name: Measure, added: number): void => {
    if (!Number.isNaN(added) && added !== 0) sums[name] = (row.retraction ? -1 : 1) * added;
  };
  // The mark of a refund is no count.
  const counts = MEASURES.filter((name): name is Measure & Mark => name in MARK && name !== 'refund');
  for (const name of counts) if (has(name)) add(name, 1);
  if (has('orders')) {
    add('revenue_gross', lineSum ?? amount);
    add(
      'units',
      (lines ?? row.lines).reduce((sum, { quantity }) => sum + quantity, 0),
    );
    add('discount', part(discount));
    add('shipping', part(shipping));
    add('tax', part(tax));
  }
  if (has('payment')) add('revenue_paid', part(amount));
  if (has('refund')) add('refund', part(amount));
  if (has('cancelled')) add('revenue_cancelled', lineSum ?? value);
  if (has('shipped_in')) add('ship_count', 1);
  if (has('shipped_in')) add('ship_ms', value);
  if (has('responded')) add('response_count', 1);
  if (has('responded')) add('response_ms', value);
  return sums;
}

const whole = (amount: number): number => amount;
const PARTED = ['discount', 'shipping', 'tax', 'revenue_paid', 'refund'] as const;

describe('a row', () => {
  it('adds what the documentation says', () => {
    const reader = new RowContribution();
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 6 }), (rows) => {
        reader.open(batchOf(rows));
        for (const [at, row] of rows.entries())
          expect(read(reader, reader.read(at))).toEqual(meaning(row, undefined, whole));
      }),
      { numRuns: 300 },
    );
  });

  it('adds to each group of its items what is of its lines; the parts of an amount add up to it', () => {
    const reader = new RowContribution();
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 4 }), (rows) => {
        reader.open(batchOf(rows));
        for (const [at, row] of rows.entries()) {
          if (row.lines.length === 0) continue;
          // By category the parts are the sums of those by category and sku: a line's part is one, however grouped.
          const finest = new Map<number, Sums[]>();
          for (const columns of [
            [ITEM_CODE.sku, ITEM_CODE.category],
            [ITEM_CODE.category],
            [ITEM_CODE.sku],
          ]) {
            const groups = reader.group(at, Int32Array.from(columns));
            const keyOf = (line: Line): string =>
              columns.map((column) => (column === ITEM_CODE.sku ? line.sku : line.category)).join();
            const keys = [...new Set(row.lines.map(keyOf))];
            expect(groups).toBe(keys.length);
            const totals: Sums = {};
            for (const [group, key] of keys.entries()) {
              const width = columns.length;
              expect(reader.groupCodes.subarray(group * width, (group + 1) * width).join()).toBe(key);
              const sums = read(reader, reader.readGroup(group));
              const { discount, shipping, tax, revenue_paid, refund, ...rest } = sums;
              expect(rest).toEqual(
                meaning(
                  row,
                  row.lines.filter((line) => keyOf(line) === key),
                  () => 0,
                ),
              );
              for (const name of PARTED) totals[name] = (totals[name] ?? 0) + (sums[name] ?? 0);
              if (width === 2) {
                const category = reader.groupCodes[group * 2 + 1] as number;
                finest.set(category, [...(finest.get(category) ?? []), sums]);
              } else if (columns[0] === ITEM_CODE.category) {
                for (const name of PARTED) {
                  const parts = finest.get(Number(key))?.map((each) => each[name] ?? 0) ?? [];
                  expect(sums[name] ?? 0).toBe(parts.reduce((sum, part) => sum + part, 0));
                }
              }
            }
            for (const name of PARTED) expect(totals[name]).toBe(meaning(row, undefined, whole)[name] ?? 0);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('measures', () => {
  it('each have a row that adds to them, and say what a scan needs', () => {
    expect(MEASURES.filter((name) => !CONTRIBUTIONS.some(({ measure }) => measure === name))).toEqual([]);
    expect(needsOf(['revenue_gross', 'revenue_paid'])).toEqual({
      marks: MARK.orders | MARK.payment,
      numbers: [NUMBER.amount],
      units: false,
    });
    expect(needsOf(['units', 'ship_ms'])).toEqual({
      marks: MARK.orders | MARK.shipped_in,
      numbers: [NUMBER.value],
      units: true,
    });
  });
});
