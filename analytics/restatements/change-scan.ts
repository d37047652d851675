import type { Chunk, ScanRequest } from '../../engine/index.ts';
import { addExact, type ExactSum } from '../../operators/index.ts';
import type { LogTexts } from '../filters/index.ts';
import { bucketAt, QueryError, type TimeBuckets } from '../query/index.ts';
import {
  CODE,
  CONTRIBUTIONS,
  type Contribution,
  ITEM_NUMBER,
  MARK,
  type Measure,
  NUMBER,
} from '../rows/index.ts';

/** Events that changed buckets, each counted once a bucket; more are refused. */
export const MAX_CHANGES = 100_000;

/** What of one bucket and currency was known, and what each later event changed. Integers as text: exact in JSON. */
export type PointLine = readonly [
  bucket: number,
  currency: string,
  before: readonly string[],
  causes: readonly CauseLine[],
];
export type CauseLine = readonly [sequence: number, part: number, sums: readonly string[]];

interface Point {
  readonly bucket: number;
  readonly currency: number;
  readonly before: ExactSum[];
  readonly causes: Map<
    string,
    { readonly sequence: number; readonly part: number; readonly sums: ExactSum[] }
  >;
}

export interface ChangeSpec {
  readonly buckets: TimeBuckets;
  readonly measures: readonly Measure[];
  /** Whether currencies are told apart. */
  readonly byCurrency: boolean;
  /** Rows of a later sequence are changes. */
  readonly since: number;
}

/** What a row gives to a measure, and at which place it is added. */
interface Rule extends Contribution {
  readonly bit: number;
  readonly at: number;
}

/** Adds rows up by bucket and currency: those up to a sequence together, later ones by the event that caused them. */
export class ChangeScan {
  readonly #spec: ChangeSpec;
  readonly #rules: readonly Rule[];
  readonly #marks: number;
  readonly #points = new Map<string, Point>();
  #rows = new Uint32Array(0);
  #changes = 0;

  constructor(spec: ChangeSpec) {
    this.#spec = spec;
    this.#rules = CONTRIBUTIONS.filter(({ measure }) => spec.measures.includes(measure)).map((rule) => ({
      ...{ ...rule, bit: MARK[rule.mark], at: spec.measures.indexOf(rule.measure) },
    }));
    this.#marks = this.#rules.reduce((bits, { bit }) => bits | bit, 0);
  }

  /** Throws QueryError `too_many_changes`. */
  scan(chunk: Chunk, { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY }: ScanRequest): void {
    if (this.#rows.length < chunk.rows) this.#rows = new Uint32Array(chunk.rows);
    const rows = this.#rows;
    const count = chunk.select(CODE.marks, (marks) => (marks & this.#marks) !== 0, rows);
    if (count === 0) return;
    const [times, sequences, parts] = [chunk.time_ms(), chunk.sequence(), chunk.part()];
    const [marksAt, retractedAt] = [codesOf(chunk, CODE.marks), codesOf(chunk, CODE.retraction)];
    const currencyAt = this.#spec.byCurrency ? codesOf(chunk, CODE.currency) : () => 0;
    const values = this.#rules.map((rule) => valuesOf(chunk, rule));
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      const [time_ms, sequence] = [times[row] as number, sequences[row] as number];
      if (time_ms < start_ms || time_ms >= end_ms || sequence > upTo) continue;
      const point = this.#pointOf(bucketAt(this.#spec.buckets, time_ms), currencyAt(row));
      const sums =
        sequence <= this.#spec.since ? point.before : this.#causeOf(point, sequence, parts[row] as number);
      const [marks, sign] = [marksAt(row), retractedAt(row) === 1 ? -1 : 1];
      for (const [index, { bit, at: place }] of this.#rules.entries()) {
        if ((marks & bit) === 0) continue;
        const value = (values[index] as (row: number) => number)(row);
        if (value !== 0) sums[place] = addExact(sums[place] as ExactSum, sign * value);
      }
    }
  }

  lines(dictionary: LogTexts): PointLine[] {
    const textOf = (code: number): string => (this.#spec.byCurrency ? dictionary.textOf(code) : '');
    return Array.from(this.#points.values(), ({ bucket, currency, before, causes }) => [
      ...([bucket, textOf(currency), before.map(String)] as const),
      Array.from(causes.values(), ({ sequence, part, sums }) => [sequence, part, sums.map(String)] as const),
    ]);
  }

  #pointOf(bucket: number, currency: number): Point {
    const key = `${bucket}/${currency}`;
    let point = this.#points.get(key);
    if (point === undefined) {
      point = { bucket, currency, before: this.#spec.measures.map(() => 0), causes: new Map() };
      this.#points.set(key, point);
    }
    return point;
  }

  #causeOf({ causes }: Point, sequence: number, part: number): ExactSum[] {
    const key = `${sequence}/${part}`;
    let cause = causes.get(key);
    if (cause === undefined) {
      if (++this.#changes > MAX_CHANGES) throw tooManyChanges();
      cause = { sequence, part, sums: this.#spec.measures.map(() => 0) };
      causes.set(key, cause);
    }
    return cause.sums;
  }
}

export function tooManyChanges(): QueryError {
  return new QueryError(
    'too_many_changes',
    `More than ${MAX_CHANGES} events changed these buckets since. Ask for a shorter range, or since a later answer.`,
  );
}

function codesOf(chunk: Chunk, column: number): (row: number) => number {
  const { index, values } = chunk.code(column);
  if (index === null) return () => values[0] as number;
  return (row) => values[index[row] as number] as number;
}

function valuesOf(chunk: Chunk, { source }: Rule): (row: number) => number {
  if (source === 'one') return () => 1;
  if (source !== 'units') {
    const numbers = chunk.number(NUMBER[source]);
    return (row) => numbers[row] || 0;
  }
  if (!chunk.hasItems) return () => 0;
  const items = chunk.items();
  const { start, count } = items;
  const quantities = items.number(ITEM_NUMBER.quantity);
  return (row) => {
    let units = 0;
    const first = start[row] as number;
    for (let at = first; at < first + (count[row] as number); at++) units += quantities[at] || 0;
    return units;
  };
}
