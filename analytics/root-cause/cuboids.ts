import type { ChangeTable } from './change-table.ts';

/** Dimensions that one cause may name at most. */
const MAX_CAUSE_DIMENSIONS = 4;
/** Elements of a cuboid at most: what has more is left out, since its elements would hold a leaf each. */
const MAX_ELEMENTS = 1_048_576;

/** All combinations of values of some dimensions. An element is one combination. */
export interface Cuboid {
  /** How many dimensions it has. */
  readonly dimensions: number;
  readonly elements: number;
  /** The element of each leaf that has something. */
  readonly element: Int32Array;
  /** The dimensions of an element, each with the place of its value. */
  placesOf(element: number): readonly (readonly [dimension: number, place: number])[];
  /** What an element has in all. */
  totals(
    table: ChangeTable,
    leaves: Int32Array,
    element: number,
  ): { actual: number; expected: number; leaves: number };
}

/** Cuboids of up to `MAX_CAUSE_DIMENSIONS` dimensions. */
export function cuboidsOf(table: ChangeTable, leaves: Int32Array): Cuboid[] {
  const sets = Array.from({ length: 2 ** table.dimensions.length - 1 }, (_, at) =>
    table.dimensions.flatMap((_, dimension) => (((at + 1) >> dimension) & 1 ? [dimension] : [])),
  );
  return sets
    .filter((set) => set.length <= MAX_CAUSE_DIMENSIONS && elementsOf(table, set) <= MAX_ELEMENTS)
    .map((set) => cuboidOf(table, leaves, set));
}

const elementsOf = ({ values }: ChangeTable, set: readonly number[]): number =>
  set.reduce((product, dimension) => product * (values[dimension]?.length ?? 1), 1);

function cuboidOf(table: ChangeTable, leaves: Int32Array, set: readonly number[]): Cuboid {
  const width = table.dimensions.length;
  const counts = set.map((dimension) => table.values[dimension]?.length ?? 1);
  const element = Int32Array.from(leaves, (leaf) =>
    set.reduce(
      (code, dimension, at) =>
        code * (counts[at] as number) + (table.codes[leaf * width + dimension] as number),
      0,
    ),
  );
  return {
    ...{ dimensions: set.length, elements: elementsOf(table, set), element },
    placesOf: (of) => {
      let rest = of;
      return set
        .map((dimension, at): readonly [number, number] => [dimension, counts[at] as number])
        .reverse()
        .map(([dimension, count]): readonly [number, number] => {
          const place = rest % count;
          rest = (rest - place) / count;
          return [dimension, place];
        })
        .reverse();
    },
    totals: (of, among, wanted) => {
      let [actual, expected, found] = [0, 0, 0];
      among.forEach((leaf, at) => {
        if (element[at] !== wanted) return;
        actual += of.actual[leaf] as number;
        expected += of.expected[leaf] as number;
        found++;
      });
      return { actual, expected, leaves: found };
    },
  };
}
