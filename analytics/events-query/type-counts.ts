import {
  ByteReader,
  ByteWriter,
  type ChunkPlace,
  columnIndex,
  type PlanPart,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
} from '../../engine/index.ts';
import { FLAG } from '../rows/index.ts';
import type { EventLogView } from './select-request.ts';

/** Name of the kind. */
export const COUNT_TYPES = 'events.types';

/** Rows of one part of a plan, about. */
const PART_ROWS = 1 << 18;
/** CPU of a row, ms: two columns of few values are looked at. */
const COST_MS_A_ROW = 5e-6;

export interface TypeCountRequest {
  /** Rows to look at, the newest; a chunk is looked at as a whole. */
  readonly rows_max: number;
}

export interface TypeCounts {
  /** Events by type in its normal form, the most frequent first. */
  readonly types: readonly { readonly type: string; readonly count: number }[];
  readonly scanned_rows: number;
  /** Whether these were all rows of the log. */
  readonly complete: boolean;
}

interface Shared {
  readonly rows: number;
  readonly complete: boolean;
}

export type TypeCountKind = QueryKind<TypeCountRequest, Shared, ScanPlan, TypeCounts>;

/** How many events there are of each type. `open` finds the log of a snapshot. */
export function countTypes(open: (context: QueryContext) => EventLogView): TypeCountKind {
  return {
    name: COUNT_TYPES,
    // Requests are made by the service, never by a client.
    schema: { parse: (input) => input as TypeCountRequest },
    plan: (context, { rows_max }) => {
      const whole = open(context).plan({
        scope: context.scope,
        start_ms: 0,
        end_ms: Number.MAX_SAFE_INTEGER,
      });
      const chunks = newest(whole.chunks, rows_max);
      const rows = rowsIn(chunks);
      return {
        kind: COUNT_TYPES,
        rows,
        bytes: whole.rows === 0 ? 0 : Math.round((whole.bytes * rows) / whole.rows),
        chunks: chunks.length,
        cost_ms: rows * COST_MS_A_ROW,
        source: 'scan',
        explain: { rows_of_log: whole.rows },
        narrow: [],
        shared: { rows, complete: chunks.length === whole.chunks.length },
        parts: partsOf(whole, chunks),
      };
    },
    partial: (context, _, part, cancel) => {
      const view = open(context);
      const counts = new Map<number, number>();
      const flags = columnIndex(view.schema.columns, 'flags');
      const type = columnIndex(view.schema.columns, 'type');
      const retraction = columnIndex(view.schema.columns, 'retraction');
      view.scan(part, (chunk) => {
        cancel.check();
        const has = chunk.code(flags);
        const back = chunk.code(retraction);
        // A correction takes an event back, or puts it back.
        const counted = Array.from(has.values, (value) => (value & (FLAG.original | FLAG.displaced)) !== 0);
        const of = chunk.code(type);
        const found = new Int32Array(of.values.length);
        for (let row = 0; row < chunk.rows; row++) {
          if (counted[has.index === null ? 0 : (has.index[row] as number)] !== true) continue;
          const at = of.index === null ? 0 : (of.index[row] as number);
          const isBack = back.values[back.index === null ? 0 : (back.index[row] as number)] === 1;
          found[at] = (found[at] as number) + (isBack ? -1 : 1);
        }
        for (const [at, count] of found.entries()) add(counts, of.values[at] as number, count);
      });
      return bytesOf(counts);
    },
    merge: (a, b) => {
      const counts = countsOf(a);
      for (const [code, count] of countsOf(b)) add(counts, code, count);
      return bytesOf(counts);
    },
    finish: (context, { shared }, bytes) => {
      const { dictionary } = open(context);
      const types = [...(bytes === undefined ? [] : countsOf(bytes))]
        .map(([code, count]) => ({ type: dictionary.textOf(code), count }))
        .filter(({ count }) => count > 0)
        .sort((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1));
      return { types, scanned_rows: shared.rows, complete: shared.complete };
    },
  };
}

const rowsIn = (chunks: readonly ChunkPlace[]): number => chunks.reduce((sum, { rows }) => sum + rows, 0);

/** The chunks with the newest events, with about as many rows as may be looked at. */
function newest(chunks: readonly ChunkPlace[], rows_max: number): readonly ChunkPlace[] {
  const endOf = ({ max_ms = Number.MAX_SAFE_INTEGER }: ChunkPlace): number => max_ms;
  const sorted = chunks.toSorted((a, b) => endOf(b) - endOf(a));
  let rows = 0;
  let taken = 0;
  while (taken < sorted.length && rows < rows_max) rows += (sorted[taken++] as ChunkPlace).rows;
  return sorted.slice(0, taken);
}

function partsOf(whole: ScanPlan, chunks: readonly ChunkPlace[]): readonly PlanPart<ScanPlan>[] {
  const groups: ChunkPlace[][] = [];
  let rows = PART_ROWS;
  for (const chunk of chunks) {
    if (rows >= PART_ROWS) {
      groups.push([]);
      rows = 0;
    }
    groups.at(-1)?.push(chunk);
    rows += chunk.rows;
  }
  return groups.map((group) => ({
    reads: 'immutable',
    rows: rowsIn(group),
    cost_ms: rowsIn(group) * COST_MS_A_ROW,
    work: { ...whole, chunks: group, rows: rowsIn(group) },
  }));
}

function add(counts: Map<number, number>, code: number, count: number): void {
  if (count !== 0) counts.set(code, (counts.get(code) ?? 0) + count);
}

function bytesOf(counts: ReadonlyMap<number, number>): Uint8Array {
  const writer = new ByteWriter();
  for (const [code, count] of counts) writer.varint(code).zigzag(count);
  return writer.copy();
}

function countsOf(bytes: Uint8Array): Map<number, number> {
  const counts = new Map<number, number>();
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const code = reader.varint();
    counts.set(code, reader.zigzag());
  }
  return counts;
}
