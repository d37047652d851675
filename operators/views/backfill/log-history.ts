import {
  type Chunk,
  type Dictionary,
  type LogSchema,
  RowBatch,
  type ScanPlan,
  type ScanRequest,
} from '../../../engine/index.ts';
import { ALL_TIME_MS, DAY_MS, type HistoryRange, type RowHistory } from './history.ts';

/** Columns that are filled in of a batch, places among the columns of their kind. */
export interface ReaderColumns {
  readonly codes: readonly number[];
  readonly numbers: readonly number[];
  readonly itemNumbers: readonly number[];
  readonly hashes?: readonly number[];
}

/** What the log has of a scope. */
export interface LogScope {
  readonly scope: string;
  /** UTC day before which its rows were dropped; -Infinity: none were. */
  readonly firstDay: number;
  /** UTC days with rows. */
  readonly days: Iterable<{ readonly day: number; readonly rows: number }>;
}

/** The log as the commit under way sees it. */
export interface LogReads {
  scopes(): Iterable<LogScope>;
  plan(request: ScanRequest): ScanPlan;
  scan(plan: ScanPlan, visit: (chunk: Chunk) => void): void;
}

export interface LogHistoryConfig {
  readonly schema: LogSchema;
  /** What every read fills in. */
  readonly columns: ReaderColumns;
  /** Of the log's codes, as they are now; `before` is what it gave last, to go on from. */
  readonly dictionary: (before: Dictionary | undefined) => Dictionary;
}

/** Rows of a scope by UTC day. */
interface ScopeDays {
  readonly scope: string;
  readonly start_ms: number;
  readonly days: ReadonlyMap<number, number>;
}

/** The rows of an event log as the history of what is built from it: only the columns asked for are filled in. */
export function logHistory(log: LogReads, config: LogHistoryConfig): RowHistory {
  let batch: RowBatch | undefined;
  let known: readonly ScopeDays[] | undefined;
  const scopesOf = (scope: string | undefined): readonly ScopeDays[] => {
    known ??= Array.from(log.scopes(), daysOf);
    return scope === undefined ? known : known.filter((each) => each.scope === scope);
  };
  const scan = (range: HistoryRange, take: (chunk: Chunk, request: ScanRequest) => void): void => {
    const { start_ms, end_ms } = range;
    for (const { scope } of scopesOf(range.scope)) {
      const plan = log.plan({ scope, start_ms, end_ms });
      // The plan's range begins where the log does.
      log.scan(plan, (chunk) => take(chunk, plan.request));
    }
  };
  return {
    refresh: () => {
      known = undefined;
    },
    start_ms: (scope) =>
      scopesOf(scope).reduce((last, { start_ms }) => Math.max(last, start_ms), ALL_TIME_MS),
    newestBefore: (time_ms, scope) => {
      let newest = Number.NEGATIVE_INFINITY;
      for (const { days } of scopesOf(scope))
        for (const day of days.keys()) if (day > newest && day * DAY_MS < time_ms) newest = day;
      return newest === Number.NEGATIVE_INFINITY ? undefined : (newest + 1) * DAY_MS - 1;
    },
    rows: ({ scope, start_ms, end_ms }) => {
      let sum = 0;
      for (const { days } of scopesOf(scope))
        for (const [day, rows] of days)
          if ((day + 1) * DAY_MS > start_ms && day * DAY_MS < end_ms) sum += rows;
      return sum;
    },
    read: (range, texts, take) => {
      const dictionary = config.dictionary(batch?.dictionary);
      if (batch?.dictionary !== dictionary) batch = new RowBatch(config.schema, dictionary);
      const rows = batch;
      const columns = neededColumns(config, texts);
      scan(range, (chunk, request) => {
        fill(rows, chunk, rows.dictionary.codeOf(request.scope), columns, request);
        if (rows.length > 0) take(rows);
      });
    },
    chunks: scan,
    release: () => {
      known = undefined;
      batch = undefined;
    },
  };
}

function daysOf({ scope, firstDay, days }: LogScope): ScopeDays {
  const rows = new Map<number, number>();
  for (const each of days)
    if (each.day >= firstDay) rows.set(each.day, (rows.get(each.day) ?? 0) + each.rows);
  return {
    scope,
    start_ms: firstDay === Number.NEGATIVE_INFINITY ? ALL_TIME_MS : firstDay * DAY_MS,
    days: rows,
  };
}

interface NeededColumns extends ReaderColumns {
  readonly itemCodes: readonly number[];
}

/** Rows of chunks as batches, with the columns that are asked for. A batch is used again for the next. */
export class ChunkRows {
  readonly #batch: RowBatch;
  readonly #columns: NeededColumns;

  constructor(schema: LogSchema, dictionary: Dictionary, columns: ReaderColumns, texts: readonly string[]) {
    this.#batch = new RowBatch(schema, dictionary);
    this.#columns = neededColumns({ schema, columns }, texts);
  }

  /** The chunk's rows of the request's range. */
  of(chunk: Chunk, request: ScanRequest): RowBatch {
    const rows = this.#batch;
    fill(rows, chunk, rows.dictionary.codeOf(request.scope), this.#columns, request);
    return rows;
  }
}

function neededColumns(
  { schema, columns }: Pick<LogHistoryConfig, 'schema' | 'columns'>,
  texts: readonly string[],
): NeededColumns {
  const placesIn = (specs: LogSchema['columns']): readonly number[] =>
    specs
      .filter(({ kind }) => kind === 'code')
      .flatMap(({ name }, place) => (texts.includes(name) ? [place] : []));
  const codes = [...new Set([...columns.codes, ...placesIn(schema.columns)])];
  return { ...columns, codes, itemCodes: placesIn(schema.items) };
}

/** The chunk's rows of [start, end) as a batch. */
function fill(
  batch: RowBatch,
  chunk: Chunk,
  scope: number,
  { codes, numbers, hashes = [], itemCodes, itemNumbers }: NeededColumns,
  { start_ms, end_ms }: Pick<ScanRequest, 'start_ms' | 'end_ms'>,
): void {
  batch.clear();
  const picked = new Uint32Array(chunk.rows);
  const times = chunk.time_ms();
  for (let row = 0; row < chunk.rows; row++) {
    const time_ms = times[row] as number;
    if (time_ms < start_ms || time_ms >= end_ms) continue;
    const to = batch.append();
    picked[to] = row;
    batch.time_ms[to] = time_ms;
  }
  const { length } = batch;
  batch.scope.fill(scope, 0, length);
  copy(chunk.sequence(), batch.sequence, picked, length);
  for (const column of codes) {
    const { index, values } = chunk.code(column);
    const to = batch.columns.codes[column] as Int32Array;
    if (index === null) to.fill(values[0] as number, 0, length);
    else
      for (let row = 0; row < length; row++)
        to[row] = values[index[picked[row] as number] as number] as number;
  }
  for (const column of numbers)
    copy(chunk.number(column), batch.columns.numbers[column] as Float64Array, picked, length);
  for (const column of hashes) copyHashes(chunk, column, batch, picked);
  batch.itemCount.fill(0, 0, length);
  batch.itemStart.fill(0, 0, length);
  if (!chunk.hasItems) return;
  const items = chunk.items();
  copy(items.start, batch.itemStart, picked, length);
  copy(items.count, batch.itemCount, picked, length);
  batch.appendItems(items.length);
  for (const column of itemCodes) {
    const { index, values } = items.code(column);
    const to = batch.items.codes[column] as Int32Array;
    if (index === null) to.fill(values[0] as number, 0, items.length);
    else for (let item = 0; item < items.length; item++) to[item] = values[index[item] as number] as number;
  }
  for (const column of itemNumbers)
    (batch.items.numbers[column] as Float64Array).set(items.number(column).subarray(0, items.length));
}

function copy(
  from: Float64Array | Uint32Array,
  to: Float64Array | Int32Array,
  picked: Uint32Array,
  length: number,
): void {
  for (let row = 0; row < length; row++) to[row] = from[picked[row] as number] as number;
}

function copyHashes(chunk: Chunk, column: number, batch: RowBatch, picked: Uint32Array): void {
  const { index, hi, lo } = chunk.hash(column);
  const to = batch.columns.hashes[column];
  if (to === undefined) throw new Error(`there is no hash column ${column}`);
  for (let row = 0; row < batch.length; row++) {
    const value = index === null ? 0 : (index[picked[row] as number] as number);
    to.hi[row] = hi[value] as number;
    to.lo[row] = lo[value] as number;
  }
}
