import type { DimensionColumn } from '../filters/index.ts';
import { ItemLines } from '../rows/index.ts';
import type { ItemList } from './item-lists.ts';

/** A filter on items. */
export interface ItemFilter {
  readonly item: number;
  readonly accepts: (code: number) => boolean;
}

/** What of a row belongs to one combination of values. */
export interface RowGroup {
  /** By the dimensions of the view. */
  readonly values: readonly number[];
  readonly units: number;
  /** Σ quantity × unit_price of its lines; undefined: the whole row. */
  readonly gross: number | undefined;
  /** Its part of an amount of the row, exact over all lines of the row; NaN (none) counts 0. */
  part(amount: number): number;
}

interface Gathered {
  readonly values: readonly number[];
  readonly lines: number[];
}

/**
 * The combinations of values of a row by some dimensions, as KPIs see them: by sku and category a row with items is
 * its lines, of which only those count that the filters on items accept.
 */
export class RowGroups {
  readonly #columns: readonly DimensionColumn[];
  readonly #filters: readonly ItemFilter[];
  readonly #tellsItems: boolean;
  readonly #lines = new ItemLines();

  constructor(columns: readonly DimensionColumn[], filters: readonly ItemFilter[]) {
    this.#columns = columns;
    this.#filters = filters;
    this.#tellsItems = filters.length > 0 || columns.some(({ item }) => item >= 0);
  }

  /** `codes` has the row's own value of each dimension. Valid until the next call. */
  of(codes: readonly number[], items: ItemList | undefined): readonly RowGroup[] {
    const lines = this.#lines;
    if (items !== undefined) lines.load(items.quantity, items.unit_price, 0, items.quantity.length);
    if (items === undefined || !this.#tellsItems) {
      const units = items === undefined ? 0 : sumOf(lines.quantity, items.quantity.length);
      return [
        { values: codes, units, gross: undefined, part: (amount) => (Number.isNaN(amount) ? 0 : amount) },
      ];
    }
    return this.#gather(codes, items).map(({ values, lines: own }) => ({
      values,
      units: own.reduce((sum, line) => sum + (lines.quantity[line] as number), 0),
      gross: own.reduce((sum, line) => sum + (lines.value[line] as number), 0),
      part: (amount) => {
        if (Number.isNaN(amount)) return 0;
        const parts = lines.split(amount);
        return own.reduce((sum, line) => sum + (parts[line] as number), 0);
      },
    }));
  }

  #gather(codes: readonly number[], items: ItemList): Gathered[] {
    const groups = new Map<string, Gathered>();
    for (let line = 0; line < items.quantity.length; line++) {
      if (!this.#filters.every(({ item, accepts }) => accepts(codeAt(items, item, line)))) continue;
      const values = this.#columns.map(({ item }, at) =>
        item < 0 ? (codes[at] as number) : codeAt(items, item, line),
      );
      const key = values.join();
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { values, lines: [line] });
      else group.lines.push(line);
    }
    return [...groups.values()];
  }
}

function codeAt({ codes }: ItemList, item: number, line: number): number {
  return (codes[item] as Int32Array)[line] as number;
}

function sumOf(values: Float64Array, count: number): number {
  let sum = 0;
  for (let at = 0; at < count; at++) sum += values[at] as number;
  return sum;
}
