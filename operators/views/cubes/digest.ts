import { ByteReader, ByteWriter, Dictionary, type KvView, OTHER_TEXT } from '../../../engine/index.ts';
import { DAY_MS } from '../backfill/index.ts';
import { scopePrefix } from './cell-keys.ts';
import { fullDays } from './day-cells.ts';
import { type CubeInfo, readCubeInfo } from './definition.ts';
import { type CubeViews, scanCells } from './scan-cells.ts';

/**
 * What cubes say, as bytes, in an order that goes by texts: codes are given as they arrive. Of each cube a row that
 * says from when on it counts, then a row a cell. On a day that is full, which values have cells is a matter of the
 * way: its cells are added up.
 */
export function* logicalCells(views: CubeViews, dictionaryTable: KvView): Iterable<Uint8Array> {
  const dictionary = new Dictionary(Number.MAX_SAFE_INTEGER);
  dictionary.follow(dictionaryTable);
  const cubes = readCubeInfo(views.definitions).filter(({ isDropped }) => !isDropped);
  for (const cube of cubes.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    yield new ByteWriter().string(cube.name).string(cube.version).string(String(cube.from_ms)).copy();
    for (const scope of scopesOf(views.cells, cube)) {
      const full = fullDays(views.days, scopePrefix(cube.id, scope));
      yield* cellsOf(views.cells, cube, scope, full, dictionary);
    }
  }
}

/** Scopes with cells in a cube, in the order of their bytes. */
export function scopesOf(cells: KvView, { id }: CubeInfo): readonly string[] {
  const scopes: string[] = [];
  let start = new ByteWriter().u32(id).copy();
  const end = new ByteWriter().u32(id + 1).copy();
  for (;;) {
    const [found] = [...cells.scan({ start, end, limit: 1 })];
    if (found === undefined) return scopes;
    const reader = new ByteReader(found.key);
    reader.u32();
    const scope = reader.orderedString();
    scopes.push(scope);
    start = Buffer.concat([scopePrefix(id, scope), Uint8Array.of(0xff)]);
  }
}

function* cellsOf(
  cells: KvView,
  cube: CubeInfo,
  scope: string,
  full: ReadonlySet<number>,
  dictionary: Dictionary,
): Iterable<Uint8Array> {
  const days = new Map<string, bigint[]>();
  const range = { start_ms: -WIDEST_DAYS * DAY_MS, end_ms: WIDEST_DAYS * DAY_MS };
  scanCells(cells, { scope, cube, ...range }, (bucket_ms, codes, currency, { sums, wide }) => {
    const isFull = full.has(Math.floor(bucket_ms / DAY_MS));
    const texts = Array.from(codes, (code) => (isFull ? OTHER_TEXT : dictionary.textOf(code)));
    const key = JSON.stringify([bucket_ms, dictionary.textOf(currency), ...texts]);
    const total = days.get(key) ?? Array.from({ length: cube.measures }, () => 0n);
    days.set(key, total);
    for (const [measure, sum] of sums.entries())
      total[measure] = (total[measure] as bigint) + (wide.get(measure) ?? BigInt(sum));
  });
  const writer = new ByteWriter();
  for (const [key, total] of [...days].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (total.every((sum) => sum === 0n)) continue;
    writer.reset().string(cube.name).string(scope).string(key).string(total.join(','));
    yield writer.copy();
  }
}

/** Buckets are counted in 31 bits, the shortest are a minute. */
const WIDEST_DAYS = Math.floor((2 ** 30 * 60_000) / DAY_MS);
