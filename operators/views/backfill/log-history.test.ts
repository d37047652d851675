import { describe, expect, it } from 'vitest';
import {
  type Chunk,
  columnIndex,
  Dictionary,
  type RowBatch,
  type ScanRequest,
} from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { batchOf, SCHEMA, TestReader, type TestRow } from '../cubes/fixture-rows.ts';
import { ALL_TIME_MS, DAY_MS, NEVER_MS } from './history.ts';
import { type LogReads, logHistory } from './log-history.ts';

/** A chunk with the rows of a batch; a column with one value has no index, as in the log. */
function chunkOf(batch: RowBatch): Chunk {
  const codesOf = (codes: Int32Array, length: number) => {
    const values = [...new Set(codes.subarray(0, length))];
    const index = Uint8Array.from(codes.subarray(0, length), (code) => values.indexOf(code));
    return {
      index: values.length < 2 ? null : index,
      values: Int32Array.from(values.length === 0 ? [0] : values),
    };
  };
  const { length, columns, items, itemLength } = batch;
  return {
    rows: length,
    ...{ isWhole: false, min_ms: 0, max_ms: 0, min_sequence: 0, max_sequence: 0 },
    time_ms: () => batch.time_ms.slice(0, length),
    times: () => ({ base_ms: 0, scale_ms: 1, values: batch.time_ms.slice(0, length) }),
    sequence: () => batch.sequence.slice(0, length),
    part: () => batch.part,
    code: (column) => codesOf(columns.codes[column] as Int32Array, length),
    select: (column, accepts, rows) => {
      const codes = [...(columns.codes[column] as Int32Array).subarray(0, length)];
      const selected = codes.flatMap((code, row) => (accepts(code) ? [row] : []));
      rows.set(selected);
      return selected.length;
    },
    label: () => {
      throw new Error('history asks for no labels');
    },
    hash: () => ({ index: null, hi: new Int32Array(1), lo: new Int32Array(1) }),
    number: (column) => (columns.numbers[column] as Float64Array).slice(0, length),
    hasItems: itemLength > 0,
    items: () => ({
      start: Uint32Array.from(batch.itemStart.subarray(0, length)),
      count: Uint32Array.from(batch.itemCount.subarray(0, length)),
      length: itemLength,
      code: (column) => codesOf(items.codes[column] as Int32Array, itemLength),
      number: (column) => (items.numbers[column] as Float64Array).slice(0, itemLength),
    }),
  };
}

const SCOPES = ['s', 't'];
const anyScope = fc.constantFrom(undefined, ...SCOPES);
const dayOf = (row: TestRow): number => Math.floor(row.time_ms / DAY_MS);

function logOf(
  rows: readonly TestRow[],
  dictionary: Dictionary,
  cuts: Readonly<Record<string, number>> = {},
) {
  const firstDayOf = (scope: string): number => cuts[scope] ?? Number.NEGATIVE_INFINITY;
  const of = (scope: string): readonly TestRow[] => rows.filter((row) => row.scope === scope);
  let chunks: readonly TestRow[][] = [];
  const log: LogReads = {
    scopes: () =>
      SCOPES.map((scope) => ({
        scope,
        firstDay: firstDayOf(scope),
        days: of(scope).map((row) => ({ day: dayOf(row), rows: 1 })),
      })),
    plan: (request: ScanRequest) => {
      const all = of(request.scope);
      chunks = [all.slice(0, 4), all.slice(4)].filter((each) => each.length > 0);
      return { request, chunks: [], segments: 1, rows: all.length, bytes: 0 };
    },
    scan: (_, visit) => {
      for (const each of chunks) visit(chunkOf(batchOf(each, dictionary, 7)));
    },
  };
  return logHistory(log, {
    schema: SCHEMA,
    columns: new TestReader().columns,
    dictionary: () => dictionary,
  });
}

const anyRow: fc.Arbitrary<TestRow> = fc.record({
  scope: fc.constantFrom(...SCOPES),
  time_ms: fc.integer({ min: 0, max: 10 }).map((half) => (half * DAY_MS) / 2),
  currency: fc.constantFrom('EUR', 'USD'),
  country: fc.constantFrom('DE', 'FR', ''),
  channel: fc.constant('not looked at'),
  sku: fc.constantFrom('a', ''),
  amount: fc.integer(),
  retraction: fc.boolean(),
  items: fc.array(fc.tuple(fc.constantFrom('x', 'y'), fc.integer()), { maxLength: 3 }),
});

/** The rows of a batch as they were, without what no cube looks at. */
function rowsOf(batch: RowBatch): TestRow[] {
  const { dictionary } = batch;
  return Array.from({ length: batch.length }, (_, row) => {
    const code = (name: string): number =>
      batch.columns.codes[columnIndex(SCHEMA.columns, name)]?.[row] as number;
    const first = batch.itemStart[row] as number;
    return {
      scope: dictionary.textOf(batch.scope[row] as number),
      time_ms: batch.time_ms[row] as number,
      currency: dictionary.textOf(code('currency')),
      country: dictionary.textOf(code('country')),
      channel: 'not looked at',
      sku: dictionary.textOf(code('sku')),
      amount: batch.columns.numbers[0]?.[row] as number,
      retraction: code('retraction') === 1,
      items: Array.from({ length: batch.itemCount[row] as number }, (_item, at) => [
        dictionary.textOf(batch.items.codes[0]?.[first + at] as number),
        batch.items.numbers[0]?.[first + at] as number,
      ]),
    };
  });
}

describe('the log as history', () => {
  it('gives the rows of a range, of one scope or of all, in the columns that are asked for', () => {
    fc.assert(
      fc.property(
        fc.array(anyRow, { maxLength: 20 }),
        fc.nat(10),
        fc.nat(5),
        anyScope,
        (rows, from, halves, scope) => {
          const [start_ms, end_ms] = [(from * DAY_MS) / 2, ((from + halves) * DAY_MS) / 2];
          const found: TestRow[] = [];
          const history = logOf(rows, new Dictionary());
          history.read({ scope, start_ms, end_ms }, ['country', 'sku'], (batch) => {
            expect([...batch.sequence.subarray(0, batch.length)]).toEqual(Array(batch.length).fill(7));
            found.push(...rowsOf(batch));
          });
          const inside = rows.filter(({ time_ms }) => time_ms >= start_ms && time_ms < end_ms);
          expect(found).toEqual(
            (scope === undefined ? SCOPES : [scope]).flatMap((each) =>
              inside.filter((row) => row.scope === each),
            ),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('knows its newest day before a time, how many rows a day has, and from when on it is whole', () => {
    const row = (scope: string, day: number) => ({
      ...{ scope, time_ms: day * DAY_MS + 5, currency: '', country: '', channel: '', sku: '' },
      ...{ amount: 1, retraction: false, items: [] },
    });
    const rows = [row('s', 3), row('s', 5), row('t', 5), row('t', 9)];
    const history = logOf(rows, new Dictionary());
    expect(history.start_ms(undefined)).toBe(ALL_TIME_MS);
    expect(history.newestBefore(NEVER_MS, undefined)).toBe(10 * DAY_MS - 1);
    expect(history.newestBefore(NEVER_MS, 's')).toBe(6 * DAY_MS - 1);
    expect(history.newestBefore(9 * DAY_MS, undefined)).toBe(6 * DAY_MS - 1);
    expect(history.newestBefore(3 * DAY_MS, undefined)).toBeUndefined();
    const range = { start_ms: 5 * DAY_MS, end_ms: 6 * DAY_MS };
    expect(history.rows({ ...range, scope: undefined })).toBe(2);
    expect(history.rows({ ...range, scope: 't' })).toBe(1);
    const cut = logOf(rows, new Dictionary(), { s: 4 });
    expect(cut.start_ms(undefined)).toBe(4 * DAY_MS);
    expect([cut.start_ms('s'), cut.start_ms('t')]).toEqual([4 * DAY_MS, ALL_TIME_MS]);
    expect(cut.newestBefore(5 * DAY_MS, undefined)).toBeUndefined();
    expect(logOf([], new Dictionary()).newestBefore(NEVER_MS, undefined)).toBeUndefined();
  });
});
