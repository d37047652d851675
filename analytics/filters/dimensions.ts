import { CODE, ITEM_CODE, ROW_DIMENSIONS } from '../rows/index.ts';
import { SEGMENT, SEGMENT_COLUMN } from './segment-filter.ts';

/** A dimension's code column, and its column of items where rows with items have it there; -1: nowhere. */
export interface DimensionColumn {
  readonly column: number;
  readonly item: number;
}

/** What every query can group by and filter on, beside the declared custom dimensions. */
export const KPI_DIMENSIONS = [...ROW_DIMENSIONS, 'currency', 'type'] as const;

/** Dimensions whose values are those of a row's items, where it has items. */
const ITEM_COLUMNS: Readonly<Record<string, number>> = ITEM_CODE;

export function isItemDimension(dimension: string): boolean {
  return dimension in ITEM_COLUMNS;
}

/** The columns of a dimension; undefined where there is no such dimension. `custom` are the declared ones. */
export function columnOf(dimension: string, custom: readonly string[]): DimensionColumn | undefined {
  if (dimension === 'currency') return { column: CODE.currency, item: -1 };
  if (dimension === 'type') return { column: CODE.type, item: -1 };
  const at = [...ROW_DIMENSIONS, ...custom].indexOf(dimension);
  if (at < 0 && dimension === SEGMENT) return { column: SEGMENT_COLUMN, item: -1 };
  return at < 0 ? undefined : { column: CODE.dimensions + at, item: ITEM_COLUMNS[dimension] ?? -1 };
}
