import type { Cancel, Plan, PlanHead, PlanPart, QueryContext, QueryKind } from '../../engine/index.ts';
import {
  type ChunkPlace,
  type ColumnSpec,
  columnIndex,
  OTHER_TEXT,
  type ScanPlan,
} from '../../engine/index.ts';
import { formatUtc } from '../query/index.ts';
import { type ColumnTest, isOwnTest } from './column-tests.ts';
import { BestPositions } from './position.ts';
import { Candidates, type CodeTest, type RowFilter, selectFrom } from './select-kernel.ts';
import type { EventLogView, SelectedColumns, Selection, SelectRequest } from './select-request.ts';
import { mergeRows, newRows, positionsOf, rowsOf, type SelectedRows } from './selected-rows.ts';

/** Name of the kind. */
export const SELECT_EVENTS = 'events.select';

/** Rows of one part of a plan, about: some 20 ms. */
const PART_ROWS = 1 << 18;
/** CPU of a row, ms: flags and one or two more columns are looked at. */
const COST_MS_A_ROW = 1e-5;

/** What all parts of a selection need. Plain data. */
export interface SelectShared {
  readonly filter: RowFilter;
  readonly limit: number;
  readonly withColumns: boolean;
  readonly frontier_ms: number | undefined;
}

export type SelectKind = QueryKind<SelectRequest, SelectShared, ScanPlan, Selection>;

/** The query kind of a selection; `open` finds the log of a snapshot. */
export function selectEvents(open: (context: QueryContext) => EventLogView): SelectKind {
  return {
    name: SELECT_EVENTS,
    // Requests are made by the service, never by a client.
    schema: { parse: (input) => input as SelectRequest },
    plan: (context, request) => planOf(open(context), context.scope, request),
    partial: (context, plan, part, cancel) => partialOf(open(context), plan.shared, part, cancel),
    merge: mergeRows,
    finish: (context, plan, bytes) => finishOf(open(context), plan, bytes),
  };
}

function planOf(view: EventLogView, scope: string, request: SelectRequest): Plan<SelectShared, ScanPlan> {
  const { order, after, upTo, limit, withColumns, rows_max, sequences } = request;
  const tests = request.tests.flatMap((test) => codeTestOf(view, test) ?? []);
  const isImpossible = tests.length < request.tests.length;
  let { start_ms, end_ms } = request;
  if (after !== undefined && order === 'desc') end_ms = Math.min(end_ms, after.time_ms + 1);
  if (after !== undefined && order === 'asc') start_ms = Math.max(start_ms, after.time_ms);
  const whole = view.plan({ scope, start_ms, end_ms, upTo });
  const { chunks, frontier_ms } = nearest(isImpossible ? [] : whole.chunks, order, rows_max);
  // Begins at the tenant's cut, where that is later.
  const filter = { start_ms: whole.request.start_ms, end_ms, upTo, order, after, tests, sequences };
  const parts = partsOf(whole, chunks);
  const rows = rowsIn(chunks);
  const kept_from_ms = whole.request.start_ms;
  return {
    kind: SELECT_EVENTS,
    rows,
    bytes: whole.rows === 0 ? 0 : Math.round((whole.bytes * rows) / whole.rows),
    chunks: chunks.length,
    cost_ms: rows * COST_MS_A_ROW,
    source: 'scan',
    explain: {
      ...{ rows_of_range: whole.rows, chunks_of_range: whole.chunks.length, column_tests: request.tests },
      ...(kept_from_ms > start_ms ? { kept_from: formatUtc(kept_from_ms) } : {}),
    },
    narrow: ['ask for a shorter range (from, to)', 'name a customer, an order or a type'],
    shared: { filter, limit, withColumns, frontier_ms },
    parts,
  };
}

/** The test with codes of the dictionary; undefined where no row can pass it. */
function codeTestOf({ schema, dictionary }: EventLogView, test: ColumnTest): CodeTest | undefined {
  const place = (specs: readonly ColumnSpec[]) => (name: string) => columnIndex(specs, name);
  if (test.kind === 'hash') {
    const hi = Int32Array.from(test.hashes, (hash) => hash.hi);
    const lo = Int32Array.from(test.hashes, (hash) => hash.lo);
    return {
      kind: 'hash',
      column: columnIndex(schema.columns, test.column),
      hi,
      lo,
      isOwn: isOwnTest(test),
    };
  }
  if (test.kind === 'code') {
    const column = columnIndex(schema.columns, test.column);
    return { kind: 'code', columns: [column], items: [], codes: Int32Array.from(test.codes), isOwn: true };
  }
  const codes = test.texts.map((text) => dictionary.find(text)).filter((code) => code >= 0);
  // A full dictionary gives every new text one code: the event itself says which text it was.
  if (dictionary.isFull) codes.push(dictionary.find(OTHER_TEXT));
  if (codes.length === 0) return undefined;
  return {
    kind: 'code',
    columns: test.columns.map(place(schema.columns)),
    items: test.items.map(place(schema.items)),
    codes: Int32Array.from(codes),
    isOwn: isOwnTest(test),
  };
}

const rowsIn = (chunks: readonly ChunkPlace[]): number => chunks.reduce((sum, { rows }) => sum + rows, 0);

/**
 * The chunks that come first in the order, with about as many rows as may be looked at, and the time from which on
 * those behind them can hold events; undefined when all are taken.
 */
function nearest(
  chunks: readonly ChunkPlace[],
  order: SelectRequest['order'],
  rows_max: number,
): { readonly chunks: readonly ChunkPlace[]; readonly frontier_ms: number | undefined } {
  const edgeOf = ({ min_ms, max_ms }: ChunkPlace): number =>
    order === 'desc' ? (max_ms ?? Number.POSITIVE_INFINITY) : (min_ms ?? Number.NEGATIVE_INFINITY);
  const sorted = chunks.toSorted((a, b) => {
    const [first, second] = order === 'desc' ? [edgeOf(b), edgeOf(a)] : [edgeOf(a), edgeOf(b)];
    return first === second ? 0 : first - second;
  });
  let rows = 0;
  for (const [index, chunk] of sorted.entries()) {
    if (rows >= rows_max && Number.isFinite(edgeOf(chunk))) {
      return { chunks: sorted.slice(0, index), frontier_ms: edgeOf(chunk) };
    }
    rows += chunk.rows;
  }
  return { chunks: sorted, frontier_ms: undefined };
}

function partsOf(whole: ScanPlan, chunks: readonly ChunkPlace[]): readonly PlanPart<ScanPlan>[] {
  const parts: PlanPart<ScanPlan>[] = [];
  let group: ChunkPlace[] = [];
  const close = (): void => {
    if (group.length === 0) return;
    const rows = rowsIn(group);
    const work = { ...whole, chunks: group, rows, bytes: Math.round((whole.bytes * rows) / whole.rows) };
    parts.push({ reads: 'immutable', rows, cost_ms: rows * COST_MS_A_ROW, work });
    group = [];
  };
  for (const chunk of chunks) {
    group.push(chunk);
    if (rowsIn(group) >= PART_ROWS) close();
  }
  close();
  return parts;
}

function partialOf(
  view: EventLogView,
  { filter, limit, withColumns }: SelectShared,
  plan: ScanPlan,
  cancel: Cancel,
): Uint8Array {
  const best = new BestPositions(limit, filter.order);
  const candidates = new Candidates();
  let place = 0;
  view.scan(plan, (chunk) => {
    cancel.check();
    selectFrom(chunk, place++, filter, best, candidates);
  });
  const columns = withColumns ? outputOf(view) : NO_COLUMNS;
  const sizes = { numbers: columns.numbers.length, codes: columns.codes.length };
  const { rows, bytes, sorted } = positionsOf(best, filter.order, plan.rows, sizes);
  if (withColumns) fillColumns(view, plan, best, sorted, columns, rows);
  return bytes;
}

/** Which columns an event is shown with, by their places among those of their kind. */
interface Output {
  readonly texts: readonly string[];
  readonly amounts: readonly string[];
  /** Of the texts, then of the event's code. */
  readonly codes: readonly number[];
  readonly numbers: readonly number[];
}

const NO_COLUMNS: Output = { texts: [], amounts: [], codes: [], numbers: [] };
const AMOUNTS = ['amount', 'discount', 'shipping', 'tax'];

function outputOf({ schema: { columns } }: EventLogView): Output {
  const texts = columns.filter(({ text }) => text === true).map(({ name }) => name);
  return {
    texts,
    amounts: AMOUNTS,
    codes: [...texts, 'event'].map((name) => columnIndex(columns, name)),
    numbers: AMOUNTS.map((name) => columnIndex(columns, name)),
  };
}

/** Reads the chunks of the selected rows once more, for their columns. */
function fillColumns(
  view: EventLogView,
  plan: ScanPlan,
  best: BestPositions,
  sorted: Int32Array,
  { codes, numbers }: Output,
  rows: SelectedRows,
): void {
  const byChunk = new Map<number, number[]>();
  for (let at = 0; at < sorted.length; at++) {
    const place = best.chunkAt(sorted[at] as number);
    const known = byChunk.get(place);
    if (known === undefined) byChunk.set(place, [at]);
    else known.push(at);
  }
  const places = [...byChunk.keys()].sort((a, b) => a - b);
  const chunks = places.map((place) => plan.chunks[place] as ChunkPlace);
  let next = 0;
  view.scan({ ...plan, chunks }, (chunk) => {
    const selected = byChunk.get(places[next++] as number) ?? [];
    for (const [column, place] of codes.entries()) {
      const { index, values } = chunk.code(place);
      const to = rows.codes[column] as Int32Array;
      for (const at of selected) {
        to[at] = values[index === null ? 0 : (index[best.rowAt(sorted[at] as number)] as number)] as number;
      }
    }
    for (const [column, place] of numbers.entries()) {
      const from = chunk.number(place);
      const to = rows.numbers[column] as Float64Array;
      for (const at of selected) to[at] = from[best.rowAt(sorted[at] as number)] as number;
    }
  });
}

function finishOf(
  view: EventLogView,
  plan: PlanHead<SelectShared>,
  bytes: Uint8Array | undefined,
): Selection {
  const { filter, limit, withColumns, frontier_ms } = plan.shared;
  const empty = newRows({ order: filter.order, limit, scanned_rows: 0 }, 0, 0, 0);
  const rows = bytes === undefined ? empty.rows : rowsOf(bytes);
  // Of times that chunks not read may hold, too, the order is not known yet.
  let length = rows.length;
  if (frontier_ms !== undefined) {
    const isOpen = (time_ms: number): boolean =>
      filter.order === 'desc' ? time_ms <= frontier_ms : time_ms >= frontier_ms;
    while (length > 0 && isOpen(rows.time_ms[length - 1] as number)) length--;
  }
  const limited = length === limit ? 'limited' : undefined;
  return {
    length,
    time_ms: rows.time_ms.slice(0, length),
    sequence: rows.sequence.slice(0, length),
    part: rows.part.slice(0, length),
    merged: rows.merged.slice(0, length),
    columns: withColumns ? columnsOf(view, rows, length) : undefined,
    scanned_rows: rows.scanned_rows,
    more: limited ?? (frontier_ms === undefined ? undefined : { frontier_ms }),
  };
}

function columnsOf(view: EventLogView, rows: SelectedRows, length: number): SelectedColumns {
  const { texts: names, amounts } = outputOf(view);
  const texts: string[] = [''];
  const places = new Map<number, number>([[0, 0]]);
  const placeOf = (code: number): number => {
    let place = places.get(code);
    if (place === undefined) {
      place = texts.push(view.dictionary.textOf(code)) - 1;
      places.set(code, place);
    }
    return place;
  };
  const none = new Int32Array(length);
  const text = Object.fromEntries(
    names.map((name, column) => [name, (rows.codes[column] ?? none).subarray(0, length).map(placeOf)]),
  );
  const number = Object.fromEntries(
    amounts.map((name, column) => [
      name,
      (rows.numbers[column] ?? new Float64Array(length)).slice(0, length),
    ]),
  );
  return { texts, text, number, event: (rows.codes[names.length] ?? none).slice(0, length) };
}
