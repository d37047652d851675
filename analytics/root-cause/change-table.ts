/** A metric by all its dimensions at once, in a window: what came and what was expected. */
export interface ChangeTable {
  readonly dimensions: readonly string[];
  /** Values by dimension; a leaf names them by their place. */
  readonly values: readonly (readonly string[])[];
  /** Places of values, leaf after leaf: as many as there are dimensions for each. */
  readonly codes: Int32Array;
  readonly actual: Float64Array;
  readonly expected: Float64Array;
  /** Earlier windows, each beside what the others had made of it: they say what chance does. May be empty. */
  readonly earlier: readonly { readonly actual: Float64Array; readonly expected: Float64Array }[];
}

interface Change {
  readonly actual: number;
  readonly expected: number;
}

/** A leaf: its value of each dimension, what came and what was expected. */
export interface ChangeRow extends Change {
  readonly values: readonly string[];
  /** The same of earlier windows, in one order for all leaves; what was expected of each says the others. */
  readonly earlier?: readonly Change[];
}

/** Makes a table of rows. Rows with the same values are added up. */
export function changeTable(dimensions: readonly string[], rows: readonly ChangeRow[]): ChangeTable {
  const places = dimensions.map(() => new Map<string, number>());
  const leaves = new Map<string, { readonly codes: number[]; readonly changes: Change[] }>();
  for (const { values, actual, expected, earlier = [] } of rows) {
    const codes = places.map((place, at) => placeOf(place, values[at] ?? ''));
    const key = codes.join(' ');
    const before = leaves.get(key)?.changes ?? [];
    const changes = [{ actual, expected }, ...earlier].map((change, at) => sumOf(change, before[at]));
    leaves.set(key, { codes, changes });
  }
  const all = [...leaves.values()];
  const windows = Math.max(0, ...all.map(({ changes }) => changes.length));
  const columns = Array.from({ length: Math.max(1, windows) }, (_, at) => ({
    actual: Float64Array.from(all, ({ changes }) => changes[at]?.actual ?? 0),
    expected: Float64Array.from(all, ({ changes }) => changes[at]?.expected ?? 0),
  }));
  const [now, ...earlier] = columns;
  return {
    dimensions,
    values: places.map((place) => [...place.keys()]),
    codes: Int32Array.from(all.flatMap(({ codes }) => codes)),
    ...{
      actual: now?.actual ?? new Float64Array(0),
      expected: now?.expected ?? new Float64Array(0),
      earlier,
    },
  };
}

const sumOf = (a: Change, b: Change = { actual: 0, expected: 0 }): Change => ({
  actual: a.actual + b.actual,
  expected: a.expected + b.expected,
});

function placeOf(places: Map<string, number>, value: string): number {
  const place = places.get(value) ?? places.size;
  places.set(value, place);
  return place;
}
