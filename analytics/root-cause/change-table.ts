/** A metric by all its dimensions at once, in a window: what came and what was expected. */
export interface ChangeTable {
  readonly dimensions: readonly string[];
  /** Values by dimension; a leaf names them by their place. */
  readonly values: readonly (readonly string[])[];
  /** Places of values, leaf after leaf: as many as there are dimensions for each. */
  readonly codes: Int32Array;
  readonly actual: Float64Array;
  readonly expected: Float64Array;
}

/** A leaf: its value of each dimension, what came and what was expected. */
export interface ChangeRow {
  readonly values: readonly string[];
  readonly actual: number;
  readonly expected: number;
}

/** Makes a table of rows. Rows with the same values are added up. */
export function changeTable(dimensions: readonly string[], rows: readonly ChangeRow[]): ChangeTable {
  const places = dimensions.map(() => new Map<string, number>());
  const leaves = new Map<string, { codes: number[]; actual: number; expected: number }>();
  for (const { values, actual, expected } of rows) {
    const codes = places.map((place, at) => placeOf(place, values[at] ?? ''));
    const key = codes.join(' ');
    const leaf = leaves.get(key);
    if (leaf === undefined) leaves.set(key, { codes, actual, expected });
    else leaves.set(key, { codes, actual: leaf.actual + actual, expected: leaf.expected + expected });
  }
  const all = [...leaves.values()];
  return {
    dimensions,
    values: places.map((place) => [...place.keys()]),
    codes: Int32Array.from(all.flatMap(({ codes }) => codes)),
    actual: Float64Array.from(all, ({ actual }) => actual),
    expected: Float64Array.from(all, ({ expected }) => expected),
  };
}

function placeOf(places: Map<string, number>, value: string): number {
  const place = places.get(value) ?? places.size;
  places.set(value, place);
  return place;
}
