import { formatUtc } from '../query/index.ts';
import { MEASURES } from '../rows/index.ts';
import { type CellMap, floorDay, type Span, type StateCell, type StateCells, sumOf } from './state-cells.ts';

const DAY_MS = 86_400_000;
/** Cells that a report shows. */
const EXAMPLES_MAX_CELLS = 20;
/** Messages that an example names. */
const EXAMPLE_MAX_MESSAGES = 5;

/** Which cells a report is of. */
export interface CellsOfInterest {
  /** Absent: of all. */
  readonly tenant?: string | undefined;
  readonly start_ms: number;
  readonly end_ms: number;
  /** Sums that are compared; absent: all. */
  readonly measures?: readonly number[] | undefined;
  /** Cubes that have these dimensions, or a part of them; absent: all cubes. */
  readonly dimensions?: readonly string[] | undefined;
}

/** A message of the stream behind a cell. */
export interface CellMessage {
  readonly sequence: number;
  /** Whose cell it counts in; `both`: in both, and maybe for another sum. */
  readonly counts_in: 'both' | 'before' | 'after';
  /** Of the events in it, where the stream still has it. */
  readonly event_ids?: readonly string[];
}

type Sums = Readonly<Record<string, number | string>>;

/** A cell that is not the same. Plain data. */
export interface CellExample {
  readonly tenant: string;
  readonly cube: string;
  readonly time: string;
  readonly key: Readonly<Record<string, string>>;
  readonly currency: string;
  /** The sums that differ, by measure; a text where one is no safe integer. null: there was no such cell. */
  readonly before: Sums | null;
  readonly after: Sums | null;
  readonly messages: readonly CellMessage[];
}

/** What differs between the cells of two states. Plain data. */
export interface CellReport {
  readonly equal: number;
  readonly changed: number;
  readonly added: number;
  readonly gone: number;
  /** Days of a cube with more values than may have a cell each: not compared. */
  readonly days_full: number;
  /** Cubes that only one of the two has, by name. */
  readonly cubes_added: readonly string[];
  readonly cubes_gone: readonly string[];
  readonly examples: readonly CellExample[];
}

/** A cell on both sides; undefined: there is none. */
export interface CellPair {
  readonly before: StateCell | undefined;
  readonly after: StateCell | undefined;
}

const ALL_MEASURES = MEASURES.map((_name, index) => index);

/** Pairs the cells of two maps; those that are the same in these measures are only counted. */
export function pairCells(
  before: CellMap,
  after: CellMap,
  measures: readonly number[] = ALL_MEASURES,
): { readonly equal: number; readonly differing: readonly CellPair[] } {
  let equal = 0;
  const differing: CellPair[] = [];
  const compare = (pair: CellPair): void => {
    if (measures.every((measure) => isSame(pair, measure))) equal++;
    else differing.push(pair);
  };
  for (const [key, cell] of before) compare({ before: cell, after: after.get(key) });
  for (const [key, cell] of after) if (!before.has(key)) compare({ before: undefined, after: cell });
  return { equal, differing };
}

function isSame({ before, after }: CellPair, measure: number): boolean {
  const isPlain = before?.wide === undefined && after?.wide === undefined;
  if (isPlain) return (before?.sums[measure] ?? 0) === (after?.sums[measure] ?? 0);
  return sumOf(before, measure) === sumOf(after, measure);
}

/** Compares the cells of two states that hold the same messages, cube by cube, and reports what differs. */
export class CellComparison {
  readonly #of: CellsOfInterest;
  readonly #counts = { equal: 0, changed: 0, added: 0, gone: 0, days_full: 0 };
  readonly #cubes: { readonly added: string[]; readonly gone: string[] } = { added: [], gone: [] };
  readonly #examples: CellExample[] = [];

  constructor(of: CellsOfInterest) {
    this.#of = of;
  }

  /** Whether a cube is one that the report is of. */
  isOf({ dimensions, scope }: { readonly dimensions: readonly string[]; readonly scope?: string }): boolean {
    const { tenant, dimensions: wanted } = this.#of;
    if (tenant !== undefined && scope !== undefined && scope !== tenant) return false;
    return wanted === undefined || dimensions.every((name) => wanted.includes(name));
  }

  /** The cube of a name in two states. */
  cube(name: string, before: StateCells, after: StateCells): void {
    const [one] = before.cubes.filter((cube) => cube.name === name);
    const [other] = after.cubes.filter((cube) => cube.name === name);
    if (one === undefined || other === undefined) {
      const shown = (one ?? other)?.scope === undefined ? name : ((one ?? other)?.dimensions ?? []).join('+');
      if (one === undefined) this.#cubes.added.push(shown);
      else this.#cubes.gone.push(shown);
      return;
    }
    if (!this.isOf(other)) return;
    for (const scope of new Set([...before.scopes(one), ...after.scopes(other)])) {
      if (this.#of.tenant !== undefined && scope !== this.#of.tenant) continue;
      const span = after.complete(other, this.#of);
      const both = span === undefined ? undefined : before.complete(one, span);
      if (both === undefined) continue;
      for (const day of this.#days(both, before.days(one, scope), after.days(other, scope))) {
        if (
          before.isFull(one, scope, floorDay(day.start_ms)) ||
          after.isFull(other, scope, floorDay(day.start_ms))
        ) {
          this.#counts.days_full++;
          continue;
        }
        const left = before.stored(one, scope, day);
        const right = after.stored(other, scope, day);
        this.add(left, right, (pair) => ({
          ...{ tenant: scope, ...placeOf(pair, { before, after, cubes: { before: one, after: other } }) },
          messages: messagesOf(
            pair.before && before.messages(one, scope, pair.before),
            pair.after && after.messages(other, scope, pair.after),
          ),
        }));
      }
    }
  }

  /** The parts of a span that lie in days with cells. */
  #days({ start_ms, end_ms }: Span, ...lists: readonly (readonly number[])[]): readonly Span[] {
    return [...new Set(lists.flat())]
      .sort((a, b) => a - b)
      .map((day_ms) => ({
        start_ms: Math.max(start_ms, day_ms),
        end_ms: Math.min(end_ms, day_ms + DAY_MS),
      }))
      .filter((day) => day.start_ms < day.end_ms);
  }

  /** Counts the cells of two maps; gives those that differ. */
  add(
    before: CellMap,
    after: CellMap,
    describe: (pair: CellPair) => Omit<CellExample, 'before' | 'after'>,
  ): readonly CellPair[] {
    const { measures } = this.#of;
    const { equal, differing } = pairCells(before, after, measures);
    this.#counts.equal += equal;
    for (const pair of differing) {
      if (pair.before === undefined) this.#counts.added++;
      else if (pair.after === undefined) this.#counts.gone++;
      else this.#counts.changed++;
      if (this.#examples.length < EXAMPLES_MAX_CELLS)
        this.#examples.push({ ...describe(pair), ...sumsOf(pair, measures) });
    }
    return differing;
  }

  /** Leaves a day out: its cells are a matter of what came first. */
  leaveDay(): void {
    this.#counts.days_full++;
  }

  report(): CellReport {
    const { added: cubes_added, gone: cubes_gone } = this.#cubes;
    return { ...this.#counts, cubes_added, cubes_gone, examples: this.#examples };
  }
}

interface Sides {
  readonly before: StateCells;
  readonly after: StateCells;
  readonly cubes: {
    readonly before: StateCells['cubes'][number];
    readonly after: StateCells['cubes'][number];
  };
}

function placeOf(
  { before, after }: CellPair,
  sides: Sides,
): Pick<CellExample, 'cube' | 'time' | 'key' | 'currency'> {
  const cell = after ?? before;
  if (cell === undefined) throw new Error('a pair has a cell');
  const [state, cube] =
    after === undefined ? [sides.before, sides.cubes.before] : [sides.after, sides.cubes.after];
  return describeCell(state, cube, cell);
}

export function describeCell(
  state: StateCells,
  cube: StateCells['cubes'][number],
  cell: StateCell,
): Pick<CellExample, 'cube' | 'time' | 'key' | 'currency'> {
  return {
    cube: cube.scope === undefined ? cube.name : cube.dimensions.join('+'),
    time: formatUtc(cell.bucket_ms),
    key: state.keyOf(cube, cell),
    currency: state.dictionary.textOf(cell.currency),
  };
}

function sumsOf(
  pair: CellPair,
  measures: readonly number[] = ALL_MEASURES,
): Pick<CellExample, 'before' | 'after'> {
  const named = (cell: StateCell | undefined): Sums | null => {
    if (cell === undefined) return null;
    const different = measures.filter((measure) => !isSame(pair, measure));
    return Object.fromEntries(
      different.map((measure) => {
        const sum = sumOf(cell, measure);
        return [MEASURES[measure] as string, Number.isSafeInteger(Number(sum)) ? Number(sum) : String(sum)];
      }),
    );
  };
  return { before: named(pair.before), after: named(pair.after) };
}

type Messages = ReadonlyMap<number, readonly number[]>;

/** Those that count otherwise on the two sides first; where there are none the rules have changed. */
export function messagesOf(
  before: Messages = new Map(),
  after: Messages = new Map(),
): readonly CellMessage[] {
  const all = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b);
  const other = all.filter((sequence) => String(before.get(sequence)) !== String(after.get(sequence)));
  return (other.length > 0 ? other : all).slice(0, EXAMPLE_MAX_MESSAGES).map((sequence) => ({
    sequence,
    counts_in:
      before.has(sequence) && after.has(sequence) ? 'both' : before.has(sequence) ? 'before' : 'after',
  }));
}
