import type { Dictionary } from '../../../engine/index.ts';
import type { RowHistory } from '../backfill/index.ts';
import { addRows, Cube, CubeIndex } from './cube.ts';
import { CubeWriter, type WriterTables } from './cube-writer.ts';
import type { CubeInfo } from './definition.ts';
import type { RowReader } from './row-reader.ts';
import type { CellScan, CellVisitor } from './scan-cells.ts';
import { KEY_WORDS } from './touched-cells.ts';

/**
 * Visits the cells that a cube has to have in a range, counted from the rows of the log, in any order. They are those
 * of `scanCells` of the same snapshot, where the cube is complete for the range and no day of it is full.
 */
export function recountCells(
  history: RowHistory,
  reader: RowReader,
  { scope, cube: info, start_ms, end_ms }: CellScan,
  visit: CellVisitor,
): void {
  const cube = new Cube(info);
  const index = new CubeIndex([cube]);
  history.read({ scope, start_ms, end_ms }, cube.texts, (rows) => addRows(index, reader, rows, undefined));
  const { touched } = cube;
  const { words, measures, keys } = touched;
  const sums = new Float64Array(measures);
  const wide = new Map<number, bigint>();
  const present = new Int32Array(measures);
  for (let cell = 0; cell < touched.count; cell++) {
    wide.clear();
    let presentCount = 0;
    for (let measure = 0; measure < measures; measure++) {
      const at = cell * measures + measure;
      const beyond = touched.beyond.get(at);
      const exact = beyond === undefined ? undefined : BigInt(touched.sums[at] as number) + beyond;
      sums[measure] = exact === undefined ? (touched.sums[at] as number) : Number(exact);
      if (exact !== undefined && !Number.isSafeInteger(sums[measure])) wide.set(measure, exact);
      if (sums[measure] !== 0) present[presentCount++] = measure;
    }
    if (presentCount === 0) continue;
    const key = keys.subarray(cell * words, (cell + 1) * words);
    visit((key[1] as number) * info.bucket_ms, key.subarray(KEY_WORDS), key[2] as number, {
      ...{ sums, wide, present, presentCount },
    });
  }
}

/** What is to be added to one cell of a cube. */
export interface CellAddition {
  readonly bucket_ms: number;
  /** Codes of the dimensions. */
  readonly codes: readonly number[];
  readonly currency: number;
  /** By measure; 0 changes nothing. */
  readonly sums: readonly bigint[];
}

/** The largest part of a sum that is added at once. */
const PART = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Adds to cells of a cube, inside a transaction: cells are sums, so what is wrong with one is put right by the
 * difference, whatever rows came since it was looked at. Sums that become 0 all go.
 */
export function addToCells(
  { cells, days }: WriterTables,
  dictionary: Dictionary,
  { scope, cube: info }: { readonly scope: string; readonly cube: CubeInfo },
  additions: readonly CellAddition[],
): void {
  const cube = new Cube(info);
  const { touched } = cube;
  const { key, measures } = touched;
  const measure = Int32Array.from({ length: measures }, (_unused, at) => at);
  for (const { bucket_ms, codes, currency, sums } of additions) {
    let left = [...sums];
    while (left.some((sum) => sum !== 0n)) {
      const parts = left.map((sum) => (sum > PART ? PART : sum < -PART ? -PART : sum));
      key[0] = dictionary.codeOf(scope);
      key[1] = bucket_ms / info.bucket_ms;
      key[2] = currency;
      for (const [at, code] of codes.entries()) key[KEY_WORDS + at] = code;
      touched.add(measures, measure, Float64Array.from(parts, Number));
      left = left.map((sum, at) => sum - (parts[at] as bigint));
    }
  }
  // Days that are full are left alone before: no cell is refused.
  const writer = new CubeWriter(cube, { cells, days }, Number.MAX_SAFE_INTEGER, () => undefined);
  writer.drain(dictionary);
}

/** One cell of a cube. */
export interface CellPlace {
  readonly cube: CubeInfo;
  readonly scope: string;
  readonly bucket_ms: number;
  /** Codes of the dimensions. */
  readonly codes: readonly number[];
  readonly currency: number;
}

/** What each message of the stream has added to a cell, by its sequence: sums by measure, rounded where they are large. */
export function messagesOfCell(
  history: RowHistory,
  reader: RowReader,
  { cube: info, scope, bucket_ms, codes, currency }: CellPlace,
): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  const cube = new Cube(info);
  const { touched } = cube;
  const { words, measures } = touched;
  const isPlace = (cell: number): boolean =>
    touched.keys[cell * words + 2] === currency &&
    codes.every((code, at) => touched.keys[cell * words + KEY_WORDS + at] === code);
  history.read({ scope, start_ms: bucket_ms, end_ms: bucket_ms + info.bucket_ms }, cube.texts, (rows) => {
    reader.open(rows);
    cube.open(rows);
    const currencies = rows.columns.codes[reader.currency] as Int32Array;
    for (let row = 0; row < rows.length; row++) {
      const additions = reader.read(row);
      if (additions === 0) continue;
      touched.clear();
      const own = currencies[row] as number;
      if (cube.isByItems && (rows.itemCount[row] as number) > 0) cube.addGroups(rows, row, reader, own);
      else cube.add(rows, row, reader, own, additions);
      const sequence = rows.sequence[row] as number;
      for (let cell = 0; cell < touched.count; cell++) {
        if (!isPlace(cell)) continue;
        const sums = found.get(sequence) ?? Array.from({ length: measures }, () => 0);
        found.set(sequence, sums);
        for (let at = 0; at < measures; at++)
          sums[at] = (sums[at] as number) + (touched.sums[cell * measures + at] as number);
      }
    }
  });
  return found;
}
