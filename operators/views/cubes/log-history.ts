import {
  type Chunk,
  type Dictionary,
  type LogSchema,
  RowBatch,
  type ScanPlan,
  type ScanRequest,
} from '../../../engine/index.ts';
import { ALL_TIME_MS, type CubeDefinition, DAY_MS } from './definition.ts';
import type { CubeHistory } from './history.ts';
import type { ReaderColumns } from './row-reader.ts';

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
  readonly cubes: readonly CubeDefinition[];
  readonly columns: ReaderColumns;
  /** Of the log's codes, as they are now. */
  readonly dictionary: () => Dictionary;
}

/** The rows of an event log for cubes: only the columns that they look at are filled in. */
export function logHistory(log: LogReads, config: LogHistoryConfig): CubeHistory {
  const columns = neededColumns(config);
  let batch: RowBatch | undefined;
  const rowsByDay = (): Map<number, number> => {
    const rows = new Map<number, number>();
    for (const { days, firstDay } of log.scopes())
      for (const each of days)
        if (each.day >= firstDay) rows.set(each.day, (rows.get(each.day) ?? 0) + each.rows);
    return rows;
  };
  return {
    start_ms: () => {
      const first = Math.max(...Array.from(log.scopes(), ({ firstDay }) => firstDay));
      return first === Number.NEGATIVE_INFINITY ? ALL_TIME_MS : first * DAY_MS;
    },
    newestBefore: (time_ms) => {
      const day = Math.max(...[...rowsByDay().keys()].filter((each) => each * DAY_MS < time_ms));
      return day === Number.NEGATIVE_INFINITY ? undefined : (day + 1) * DAY_MS - 1;
    },
    rows: (start_ms, end_ms) => {
      let sum = 0;
      for (const [day, rows] of rowsByDay())
        if ((day + 1) * DAY_MS > start_ms && day * DAY_MS < end_ms) sum += rows;
      return sum;
    },
    read: (start_ms, end_ms, take) => {
      batch ??= new RowBatch(config.schema, config.dictionary());
      const rows = batch;
      for (const scope of Array.from(log.scopes(), (each) => each.scope)) {
        const code = rows.dictionary.codeOf(scope);
        const plan = log.plan({ scope, start_ms, end_ms });
        log.scan(plan, (chunk) => {
          // The plan's range begins where the log does.
          fill(rows, chunk, code, columns, plan.request);
          if (rows.length > 0) take(rows);
        });
      }
    },
  };
}

interface NeededColumns extends ReaderColumns {
  readonly itemCodes: readonly number[];
}

function neededColumns({ schema, cubes, columns }: LogHistoryConfig): NeededColumns {
  const dimensions = cubes.flatMap((cube) => cube.dimensions);
  const placesIn = (specs: LogSchema['columns']): readonly number[] =>
    specs
      .filter(({ kind }) => kind === 'code')
      .flatMap(({ name }, place) => (dimensions.includes(name) ? [place] : []));
  const codes = [...new Set([...columns.codes, ...placesIn(schema.columns)])];
  return { ...columns, codes, itemCodes: placesIn(schema.items) };
}

/** The chunk's rows of [start, end) as a batch. */
function fill(
  batch: RowBatch,
  chunk: Chunk,
  scope: number,
  { codes, numbers, itemCodes, itemNumbers }: NeededColumns,
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
