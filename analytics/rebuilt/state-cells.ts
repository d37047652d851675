import type { Dictionary } from '../../engine/index.ts';
import {
  ALL_TIME_MS,
  type CellVisitor,
  type CubeInfo,
  type CubeViews,
  completeFrom,
  cubeScopes,
  messagesOfCell,
  NEVER_MS,
  type RowHistory,
  readCardinality,
  readCubeInfo,
  recountCells,
  scanCells,
} from '../../operators/index.ts';
import { RowContribution } from '../rows/index.ts';

const DAY_MS = 86_400_000;
/** Times between which every event lies. */
const FIRST_MS = -4e12;
const LAST_MS = 8e12;

/** One cell, with codes of the dictionary of its state. */
export interface StateCell {
  readonly bucket_ms: number;
  readonly codes: readonly number[];
  readonly currency: number;
  /** By measure; rounded where it is no safe integer. */
  readonly sums: Float64Array;
  /** The exact sums of those that are none: nearly always absent. */
  readonly wide?: ReadonlyMap<number, bigint>;
}

/** Cells by the texts of their place. */
export type CellMap = ReadonlyMap<string, StateCell>;

export interface Span {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Where the cells of a state lie, in one snapshot of it. */
export interface StateCellsParts {
  readonly cubes: CubeViews;
  readonly dictionary: Dictionary;
  readonly history: RowHistory;
}

/** The cubes of one snapshot of a state: what they say, and what the log says that they have to. */
export class StateCells {
  readonly dictionary: Dictionary;
  readonly cubes: readonly CubeInfo[];
  readonly #views: CubeViews;
  readonly #history: RowHistory;
  readonly #reader = new RowContribution();

  constructor({ cubes, dictionary, history }: StateCellsParts) {
    this.dictionary = dictionary;
    this.#views = cubes;
    this.#history = history;
    // A cube of other sums than the shop's is none that an answer reads.
    this.cubes = readCubeInfo(cubes.definitions).filter(
      ({ isDropped, measures }) => !isDropped && measures === this.#reader.measures,
    );
    history.refresh();
  }

  scopes(cube: CubeInfo): readonly string[] {
    return cubeScopes(this.#views.cells, cube);
  }

  /** Whether it was made by the rules that count now. */
  hasRules(cube: CubeInfo): boolean {
    return cube.version === this.#reader.version;
  }

  /** The days of a span that a cube answers for; undefined where there are none. */
  complete(cube: CubeInfo, { start_ms, end_ms }: Span): Span | undefined {
    const from_ms = completeFrom(cube);
    if (from_ms === NEVER_MS) return undefined;
    const first_ms = Math.max(start_ms, from_ms === ALL_TIME_MS ? FIRST_MS : from_ms);
    return first_ms < end_ms ? { start_ms: first_ms, end_ms } : undefined;
  }

  /** From when on the log has every row of a tenant. */
  loggedFrom(scope: string): number {
    return this.#history.start_ms(scope);
  }

  rows(scope: string, span: Span): number {
    return this.#history.rows({ scope, ...span });
  }

  /** UTC days with cells, ms, in order. */
  days(cube: CubeInfo, scope: string): readonly number[] {
    const days = new Set<number>();
    const all = { scope, cube, start_ms: floorDay(FIRST_MS), end_ms: floorDay(LAST_MS) };
    scanCells(this.#views.cells, all, (bucket_ms) => void days.add(floorDay(bucket_ms)));
    return [...days].sort((a, b) => a - b);
  }

  /** Whether a day's values were too many for a cell each: which have one is a matter of what came first. */
  isFull(cube: CubeInfo, scope: string, day_ms: number): boolean {
    const range = { cube: cube.id, scope, start_ms: day_ms, end_ms: day_ms + DAY_MS };
    for (const { refused } of readCardinality(this.#views.days, range)) if (refused > 0) return true;
    return false;
  }

  stored(cube: CubeInfo, scope: string, span: Span): CellMap {
    return this.#collect((visit) => scanCells(this.#views.cells, { scope, cube, ...span }, visit));
  }

  recounted(cube: CubeInfo, scope: string, span: Span): CellMap {
    return this.#collect((visit) =>
      recountCells(this.#history, this.#reader, { scope, cube, ...span }, visit),
    );
  }

  /** The messages of the stream that a cell is made of, and what each adds: by sequence, sums by measure. */
  messages(cube: CubeInfo, scope: string, cell: StateCell): ReadonlyMap<number, readonly number[]> {
    return messagesOfCell(this.#history, this.#reader, { cube, scope, ...cell });
  }

  #collect(scan: (visit: CellVisitor) => void): CellMap {
    const cells = new Map<string, StateCell>();
    scan((bucket_ms, codes, currency, { sums, wide }) => {
      const texts = Array.from(codes, (code) => this.dictionary.textOf(code));
      const key = JSON.stringify([bucket_ms, this.dictionary.textOf(currency), ...texts]);
      cells.set(key, {
        ...{ bucket_ms, codes: Array.from(codes), currency, sums: sums.slice() },
        ...(wide.size === 0 ? {} : { wide: new Map(wide) }),
      });
    });
    return cells;
  }

  /** The dimensions of a cell as texts. */
  keyOf(cube: CubeInfo, { codes }: StateCell): Readonly<Record<string, string>> {
    return Object.fromEntries(
      cube.dimensions.map((name, at) => [name, this.dictionary.textOf(codes[at] as number)]),
    );
  }
}

/** The sum of a measure in a cell, exact; 0 where there is no cell. */
export function sumOf(cell: StateCell | undefined, measure: number): bigint {
  return cell?.wide?.get(measure) ?? BigInt(cell?.sums[measure] ?? 0);
}

export function floorDay(time_ms: number): number {
  return Math.floor(time_ms / DAY_MS) * DAY_MS;
}
