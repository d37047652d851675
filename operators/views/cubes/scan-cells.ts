import { invariant } from '../../../engine/errors.ts';
import type { KvView } from '../../../engine/kv.ts';
import { BlockReader, CELL_WORDS } from './cell-block.ts';
import { bucketKey, prefixRange, scopePrefix } from './cell-keys.ts';
import type { CubeInfo } from './definition.ts';

/** The tables of a cubes operator. */
export interface CubeViews {
  readonly cells: KvView;
  readonly definitions: KvView;
  readonly days: KvView;
}

/** The views of the cubes operator called `operator` in a snapshot. */
export function cubeViews(table: (name: string) => KvView, operator: string): CubeViews {
  return {
    cells: table(`${operator}/cells`),
    definitions: table(`${operator}/definitions`),
    days: table(`${operator}/days`),
  };
}

/** What is read of a cube. Plain data. */
export interface CellScan {
  readonly scope: string;
  readonly cube: CubeInfo;
  /** Half-open, ms, whole buckets. */
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Sums of a cell; valid until the visitor returns. */
export interface CellSums {
  /** By measure; rounded where it is no safe integer. */
  readonly sums: Float64Array;
  /** The exact sums of those that are no safe integers, by measure: nearly always empty. */
  readonly wide: ReadonlyMap<number, bigint>;
  /** The measures that are not 0: present[i], i < presentCount. */
  readonly present: Int32Array;
  readonly presentCount: number;
}

/** `codes` are those of the cube's dimensions; valid until it returns. */
export type CellVisitor = (bucket_ms: number, codes: Int32Array, currency: number, cell: CellSums) => void;

/** Visits the cells of a cube in a range, by time; each once. */
export function scanCells(cells: KvView, scan: CellScan, visit: CellVisitor): void {
  const { cube } = scan;
  const { bucket_ms } = cube;
  const first = Math.floor(scan.start_ms / bucket_ms);
  const end = Math.ceil(scan.end_ms / bucket_ms);
  invariant(
    first * bucket_ms === scan.start_ms && end * bucket_ms === scan.end_ms,
    `a scan of the cube ${cube.name} is of whole buckets`,
  );
  const reader = new BlockReader(cube.dimensions.length, cube.measures);
  const { key } = reader;
  const codes = key.subarray(CELL_WORDS);
  for (const { value } of blocks(cells, scan)) {
    reader.open(value);
    while (reader.next()) {
      const bucket = key[0] as number;
      if (bucket < first) continue;
      if (bucket >= end) return;
      visit(bucket * bucket_ms, codes, key[1] as number, reader);
    }
  }
}

/** What a scan will read, at most: for plans. Reads one row for each block of about a hundred cells. */
export function estimateCells(cells: KvView, scan: CellScan): { blocks: number; bytes: number } {
  let [count, bytes] = [0, 0];
  for (const { value } of blocks(cells, scan)) {
    count++;
    bytes += value.length;
  }
  return { blocks: count, bytes };
}

function* blocks(
  cells: KvView,
  { scope, cube, start_ms, end_ms }: CellScan,
): Iterable<{ readonly value: Uint8Array }> {
  const prefix = scopePrefix(cube.id, scope);
  const all = prefixRange(prefix);
  const start = bucketKey(prefix, Math.floor(start_ms / cube.bucket_ms));
  // The block before it may reach into the range.
  let from = start;
  for (const row of cells.scan({ start: all.start, end: start, reverse: true, limit: 1 }))
    from = Uint8Array.from(row.key);
  yield* cells.scan({ start: from, end: bucketKey(prefix, Math.ceil(end_ms / cube.bucket_ms)) });
}
