import {
  type Chunk,
  type Dictionary,
  type LogSchema,
  type LogView,
  planScan,
  type ScanPlan,
  type ScanRequest,
} from '../../engine/index.ts';
import { scanLog } from '../query/index.ts';
import type { ColumnTest } from './column-tests.ts';
import type { Order, Position } from './position.ts';

/** The log of one snapshot, as a selection reads it. */
export interface EventLogView {
  readonly schema: LogSchema;
  readonly dictionary: Pick<Dictionary, 'find' | 'textOf' | 'isFull'>;
  plan(request: ScanRequest): ScanPlan;
  /** Shows each chunk of the plan in its order; what a chunk gives is valid until the next one. */
  scan(plan: ScanPlan, visit: (chunk: Chunk) => unknown): void;
}

/** The next events of a tenant in an order, by what columns say. Plain data. */
export interface SelectRequest {
  /** Half-open range of event time, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Only events up to this sequence of the stream. */
  readonly upTo: number;
  readonly order: Order;
  /** Only events behind it. */
  readonly after?: Position;
  /** All of them have to hold. */
  readonly tests: readonly ColumnTest[];
  /** Only events of these messages, ascending. */
  readonly sequences?: Float64Array;
  /** Events wanted. */
  readonly limit: number;
  /** Whether the answer has the columns, too, or only positions. */
  readonly withColumns: boolean;
  /** Rows to look at, about: the newest (or oldest) chunks of the range that have so many. */
  readonly rows_max: number;
}

/** Columns of selected events: texts by name, '' for none; amounts by name, NaN for none. */
export interface SelectedColumns {
  /** By their places below. */
  readonly texts: readonly string[];
  readonly text: Readonly<Record<string, Int32Array>>;
  readonly number: Readonly<Record<string, Float64Array>>;
  /** The log's 31 bits of the event's id. */
  readonly event: Int32Array;
}

/** Events in the order asked for, in parallel arrays. Plain data. */
export interface Selection {
  readonly length: number;
  readonly time_ms: Float64Array;
  readonly sequence: Float64Array;
  readonly part: Int32Array;
  /** 1: tests were not asked of its columns, which may say what a newer version of its order says. */
  readonly merged: Int32Array;
  readonly columns: SelectedColumns | undefined;
  /** Rows that were looked at. */
  readonly scanned_rows: number;
  /**
   * Undefined: nothing comes behind the last one. Otherwise the selection is not the end: `limited` has as many as
   * were wanted; `rows` has all of the times looked at, and the next ones are at `frontier_ms` or behind it.
   */
  readonly more: 'limited' | { readonly frontier_ms: number } | undefined;
}

/** The event log of one snapshot; `dictionary` has followed it. */
export function openEvents(
  view: LogView,
  schema: LogSchema,
  dictionary: Pick<Dictionary, 'find' | 'textOf' | 'isFull'>,
): EventLogView {
  return {
    schema,
    dictionary,
    plan: (request) => planScan(view, request),
    scan: (plan, visit) => {
      scanLog(view, plan, schema, (chunk) => {
        visit(chunk);
      });
    },
  };
}
