import { ByteReader, type DescribedRow, type KvEntry } from '../../../engine/index.ts';
import { countDistinct } from '../../aggregates/index.ts';
import { type CellDetail, MINUTE_MS, readCell, readCellKey, readDetail } from './cube-cell.ts';
import { readDeltaHeader } from './cube-delta.ts';
import type { CubeDefinition } from './cube-types.ts';

/** What of a cubes operator its rows cannot be read without. */
interface Shape {
  readonly cubes: readonly CubeDefinition[];
  readonly measures: number;
}

const timeText = (time_ms: number): string => new Date(time_ms).toISOString();

/** Readers of a cubes operator's tables, for people. */
export function cubeDescribers(shape: Shape) {
  return {
    cell: (row: KvEntry): DescribedRow => {
      const { sums, detail } = readCell(row.value, shape.measures, true);
      return {
        ...cellKey(shape, row.key),
        value: { sums, ...(detail === undefined ? {} : detailOf(detail)) },
      };
    },
    detail: (row: KvEntry): DescribedRow => ({
      ...cellKey(shape, row.key),
      value: detailOf(readDetail(new ByteReader(row.value))),
    }),
    cardinality: ({ key, value }: KvEntry): DescribedRow => {
      const keys = new ByteReader(key);
      const [scope, cube] = [keys.orderedString(), keys.orderedString()];
      const reader = new ByteReader(value);
      return {
        scope,
        key: `${cube} ${timeText(keys.u32() * MINUTE_MS)}`,
        value: { cells: reader.varint(), other_rows: reader.varint() },
      };
    },
    /** What a commit added and waits to be folded: only how much, and of when. */
    recent: ({ key, value }: KvEntry): DescribedRow => {
      const keys = new ByteReader(key);
      const [scope, cube] = [keys.orderedString(), keys.orderedString()];
      const { entries, min_ms, max_ms } = readDeltaHeader(value);
      return {
        scope,
        key: `${cube} commit ${keys.u48()}`,
        value: { entries, from: timeText(min_ms), to: timeText(max_ms) },
      };
    },
  };
}

function cellKey({ cubes }: Shape, bytes: Uint8Array): { readonly scope: string; readonly key: string } {
  const start = new ByteReader(bytes);
  start.orderedString();
  const name = start.orderedString();
  const dimensions = cubes.find((cube) => cube.name === name)?.dimensions.length ?? 0;
  const { scope, cube, granularity, bucket_ms, values, unit } = readCellKey(bytes, dimensions);
  const words = [
    cube,
    `granularity ${granularity}`,
    timeText(bucket_ms),
    ...values.map((value) => JSON.stringify(value)),
    unit,
  ];
  return { scope, key: words.join(' ') };
}

function detailOf({ distributions, distinct }: CellDetail) {
  return {
    distributions: distributions.map((one) =>
      one === undefined ? null : { count: one.count, min: one.min, max: one.max },
    ),
    distinct: countDistinct(distinct),
  };
}
