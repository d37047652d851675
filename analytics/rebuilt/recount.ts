import type { KvTable } from '../../engine/index.ts';
import { addToCells, type CellAddition, type CubeInfo } from '../../operators/index.ts';
import { MEASURES } from '../rows/index.ts';
import {
  CellComparison,
  type CellReport,
  type CellsOfInterest,
  describeCell,
  messagesOf,
} from './compare-cells.ts';
import { floorDay, type StateCells, sumOf } from './state-cells.ts';

const DAY_MS = 86_400_000;

/** What is to be added to the cells of one cube and tenant. */
export interface CellFix {
  readonly cube: CubeInfo;
  readonly scope: string;
  readonly additions: readonly CellAddition[];
}

export interface Recount {
  readonly report: CellReport;
  readonly fixes: readonly CellFix[];
  /** Rows of the log that were read. */
  readonly rows: number;
  /** Whole days that were looked at, of all cubes. */
  readonly days: number;
}

/** One day of one cube, to be counted anew. */
export interface RecountDay {
  readonly cube: CubeInfo;
  readonly scope: string;
  readonly start_ms: number;
  readonly end_ms: number;
}

/** The days of cubes that a range is made of. A cube counts anew only where it and the log are complete. */
export function recountDays(
  state: StateCells,
  of: CellsOfInterest & { readonly tenant: string },
): RecountDay[] {
  const { tenant: scope } = of;
  const comparison = new CellComparison(of);
  const from_ms = Math.max(floorDay(of.start_ms), state.loggedFrom(scope));
  const end_ms = Math.ceil(of.end_ms / DAY_MS) * DAY_MS;
  const span = { start_ms: from_ms, end_ms };
  return state.cubes.flatMap((cube) => {
    if ((cube.scope !== undefined && cube.scope !== scope) || !comparison.isOf(cube)) return [];
    const complete = state.complete(cube, span);
    if (complete === undefined) return [];
    const days = new Set(state.days(cube, scope));
    const found: RecountDay[] = [];
    for (let day_ms = floorDay(complete.start_ms); day_ms < end_ms; day_ms += DAY_MS) {
      const day = { start_ms: Math.max(day_ms, complete.start_ms), end_ms: day_ms + DAY_MS };
      if (days.has(day_ms) || state.rows(scope, day) > 0) found.push({ cube, scope, ...day });
    }
    return found;
  });
}

/** Counts days of cubes anew from the log, and compares them with what is stored, in one snapshot. */
export class Recounting {
  readonly #comparison: CellComparison;
  readonly #measures: readonly number[];
  readonly #fixes: CellFix[] = [];
  #rows = 0;
  #days = 0;

  constructor(of: CellsOfInterest) {
    this.#comparison = new CellComparison(of);
    this.#measures = of.measures ?? MEASURES.map((_name, index) => index);
  }

  day(state: StateCells, { cube, scope, ...span }: RecountDay): void {
    this.#days++;
    if (state.isFull(cube, scope, floorDay(span.start_ms))) {
      this.#comparison.leaveDay();
      return;
    }
    this.#rows += state.rows(scope, span);
    const [stored, counted] = [state.stored(cube, scope, span), state.recounted(cube, scope, span)];
    const differing = this.#comparison.add(stored, counted, ({ before, after }) => {
      const cell = after ?? before;
      if (cell === undefined) throw new Error('a pair has a cell');
      const messages = messagesOf(undefined, state.messages(cube, scope, cell));
      return { tenant: scope, ...describeCell(state, cube, cell), messages };
    });
    if (differing.length === 0) return;
    const additions = differing.map(({ before, after }): CellAddition => {
      const cell = after ?? before;
      if (cell === undefined) throw new Error('a pair has a cell');
      const { bucket_ms, codes, currency } = cell;
      const sums = MEASURES.map((_name, measure) =>
        this.#measures.includes(measure) ? sumOf(after, measure) - sumOf(before, measure) : 0n,
      );
      return { bucket_ms, codes, currency, sums };
    });
    this.#fixes.push({ cube, scope, additions });
  }

  result(): Recount {
    return { report: this.#comparison.report(), fixes: this.#fixes, rows: this.#rows, days: this.#days };
  }
}

/**
 * Puts cells right, inside a transaction: each gets the difference between what the log says and what was stored, so
 * what live events have added since stays.
 */
export function applyFixes(
  tables: { readonly cells: KvTable; readonly days: KvTable },
  state: Pick<StateCells, 'dictionary' | 'cubes'>,
  fixes: readonly CellFix[],
): void {
  for (const { cube, scope, additions } of fixes) {
    // One that was dropped meanwhile has no cells to put right.
    const isThere = state.cubes.some(({ id, version }) => id === cube.id && version === cube.version);
    if (isThere) addToCells(tables, state.dictionary, { scope, cube }, additions);
  }
}
