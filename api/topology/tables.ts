import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Codec,
  type FailedAnswer,
  type KvReader,
  type MapSpec,
  type Position,
  type QueryableTable,
  queryTable,
  ROWS_TABLE,
  type RowsAnswer,
  rowContent,
  type TableQuery,
  type Topology,
  WINDOWS_TABLE,
  type WindowRangeAnswer,
  type WindowsAnswer,
} from '../../engine/index.ts';
import { ApiError, type Cursors, timeText, timeTextOrNull } from '../http/index.ts';
import { type Place, queryOf, type RowsBy, type TableParams } from './table-query.ts';

const POLL_MS = 10;

/** A table that can be asked for. */
export interface ServedTable {
  /** Of its operator. */
  readonly name: string;
  readonly id: string;
  readonly by: RowsBy;
  readonly codec: Codec<unknown>;
}

/** The tables of a topology that can be asked for: those of `toTable` and `toWindowTable`. */
export function servedTables(topology: Topology): readonly ServedTable[] {
  const kinds = new Map(topology.describe().nodes.map(({ name, kind }) => [name, kind]));
  return topology.tables().flatMap(({ id, spec }): ServedTable[] => {
    const [name = '', table] = id.split('/');
    if (spec.kind !== 'map') return [];
    const { value } = spec as MapSpec<string, unknown>;
    if (kinds.get(name) === 'to-table' && table === ROWS_TABLE) {
      return [{ name, id, by: 'key', codec: rowContent(value) }];
    }
    const isWindows = kinds.get(name) === 'to-window-table' && table === WINDOWS_TABLE;
    return isWindows ? [{ name, id, by: 'window', codec: value }] : [];
  });
}

/** An answer as JSON, and whether there is a row of the key that was asked for. */
export interface TableAnswer {
  readonly found: boolean;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface Asked {
  readonly reader: KvReader;
  readonly table: ServedTable;
  readonly params: TableParams;
  readonly cursors: Cursors;
}

/** Answers from one committed state. Throws 422 and 503 as an `ApiError`. */
export async function answerTable({ reader, table, params, cursors }: Asked): Promise<TableAnswer> {
  const { cursor, limit: _, wait_ms, min_position, ...filter } = params;
  const listing = { table: table.id, ...filter };
  const place = cursor === undefined ? undefined : (cursors.decode(listing, cursor) as Place);
  const query = queryOf(table.by, params, place);
  const target: QueryableTable<unknown> = {
    id: table.id,
    codec: table.codec,
    ...(params.scope === undefined ? {} : { scope: params.scope }),
  };
  const deadline_ms = performance.now() + wait_ms;
  for (;;) {
    const answer = queryTable(reader, target, query, bound(min_position));
    if (answer.ok) {
      const { position, watermark_ms } = answer;
      const head = { table: table.name, position, watermark: timeTextOrNull(watermark_ms) };
      const rows = rowsOf(query, answer);
      const next = rows.next === undefined ? null : cursors.encode(listing, rows.next);
      const json = 'value' in rows ? rows.json : { ...rows.json, next_cursor: next };
      return { found: rows.found, json: { ...head, ...json } };
    }
    const isLate = performance.now() >= deadline_ms;
    if (answer.reason !== 'not_up_to_bound' || isLate) throw problem(answer);
    await sleep(POLL_MS);
  }
}

const bound = (position: Position | undefined) => (position === undefined ? {} : { position });

interface Rows {
  readonly found: boolean;
  readonly json: Readonly<Record<string, unknown>>;
  readonly next?: Place | undefined;
  readonly value?: unknown;
}

type Answered = Extract<ReturnType<typeof queryTable<unknown, TableQuery>>, { readonly ok: true }>;

/** The answer to a query follows from its kind, which the compiler cannot see here. */
function rowsOf(query: TableQuery, answer: Answered): Rows {
  if (query.kind === 'key') {
    const { value } = answer as Answered & { readonly value: unknown };
    return { found: value !== undefined, json: { key: query.key, value }, value };
  }
  if (query.kind === 'range' || query.kind === 'prefix') {
    const { values, next } = answer as RowsAnswer<unknown>;
    return {
      found: true,
      json: { values },
      next: next === undefined ? undefined : { kind: 'key', at: next },
    };
  }
  const { values } = answer as WindowRangeAnswer<unknown>;
  const json = {
    values: values.map(({ key, start_ms, end_ms, value }) => ({
      key,
      start: timeText(start_ms),
      end: timeText(end_ms),
      value,
    })),
  };
  if (query.kind === 'windows') {
    const { next } = answer as WindowRangeAnswer<unknown>;
    return { found: true, json, next: next === undefined ? undefined : { kind: 'window', at: next } };
  }
  const { next_ms, next_end_ms = 0 } = answer as WindowsAnswer<unknown>;
  const next: Place | undefined =
    next_ms === undefined ? undefined : { kind: 'time', at_ms: next_ms, end_ms: next_end_ms };
  return { found: true, json, next };
}

export function problem({ reason, message }: Pick<FailedAnswer, 'reason' | 'message'>): ApiError {
  switch (reason) {
    case 'not_up_to_bound':
      return new ApiError('position_unmet', message, { retryAfter_s: 1 });
    case 'no_such_table':
      return new ApiError('state_not_ready', 'Nothing has been committed to this table yet.', {
        retryAfter_s: 1,
      });
    case 'wrong_codec':
      return new ApiError('internal', message);
    default:
      return new ApiError('validation_failed', message);
  }
}
