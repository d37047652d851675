import { defineOperator, type KvView, type OperatorDoc, rawTable } from '../../../engine/index.ts';
import {
  describeLogChunk,
  describeLogSegment,
  type LogLimits,
  type LogSchema,
  type LogView,
  LogWriter,
  logDigestRows,
  type RowBatch,
} from '../../../engine/log/index.ts';

export interface EventLogConfig {
  readonly schema: LogSchema;
  /** Whole UTC days of event time that are kept behind the watermark, in days. Absent: everything is. */
  readonly retention_days?: number;
  /** Rows between two commits before a barrier is asked for: bounds memory. */
  readonly pending_max_rows?: number;
  readonly limits?: Partial<LogLimits>;
}

const DAY_MS = 86_400_000;
const DEFAULT_PENDING_MAX_ROWS = 250_000;

export const eventLogDoc: OperatorDoc = {
  kind: 'event-log',
  summary: 'Every row in columns, kept to be scanned',
  does: 'Each item is a `RowBatch`, whose rows are copied. A commit appends them as one segment a tenant; small segments are merged, those of many rows sorted by (UTC day, entity, time). `planScan` and `scanChunks` read them from any thread, by time and up to a sequence, a column at a time. Rows only come: what is no longer so is taken back by a retraction row, so every former answer can be given again.',
  state:
    'About 33 bytes a row of an ordinary shop, for ever, or for `retention_days`, or up to `limits.scope_max_bytes` a tenant. A tenant has at most a few dozen segments and one for each quarter of a million rows or more. In memory the rows since the last commit (`pending_max_rows`), and while segments are merged their columns.',
  late: 'A late row is appended like any other; its segment overlaps older ones. A row behind the cut is dropped and counted.',
  duplicates: 'Every row is kept: put `dedup` in front.',
  failure:
    'Segments and position are one commit. The digest is that of the rows that were not taken back, so any order, batches, commits and merges come to the same.',
};

function tables() {
  return {
    segments: rawTable({
      version: 1,
      logicalRows: (segments) => logDigestRows(segments),
      describeRow: describeLogSegment,
    }),
    chunks: rawTable({ version: 1, logicalRows: () => [], describeRow: describeLogChunk }),
  };
}

/** The log of an operator called `name`, from a snapshot. */
export function eventLogView(table: (name: string) => KvView, name: string): LogView {
  return { segments: table(`${name}/segments`), chunks: table(`${name}/chunks`) };
}

/** Keeps every row in the event log, by tenant, to be read with `planScan` and `scanChunks`. */
export const eventLog = defineOperator<RowBatch, never, EventLogConfig, ReturnType<typeof tables>>({
  kind: eventLogDoc.kind,
  summary: eventLogDoc.summary,
  state: tables,
  start: ({ config, state, metrics, requestBarrier, initialWatermark_ms }) => {
    const { schema, limits, retention_days, pending_max_rows = DEFAULT_PENDING_MAX_ROWS } = config;
    const writer = new LogWriter(state, schema, limits);
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const counter = (name: string, help: string) => metrics.counter(`millrace.event-log.${name}`, help);
    const appended = counter('rows_appended', 'Rows written');
    const dropped = counter('rows_dropped', 'Rows behind a cut');
    const merges = counter('merges', 'Merges of segments');
    const merged = counter('rows_merged', 'Rows written again by merges');
    metrics.gauge('millrace.event-log.segments', 'Segments', () => writer.totals().segments);
    metrics.gauge('millrace.event-log.rows', 'Rows kept', () => writer.totals().rows);
    metrics.gauge('millrace.event-log.bytes', 'Bytes of segments', () => writer.totals().bytes);
    return {
      onBatch: (items) => {
        for (const batch of items) writer.append(batch);
        if (writer.pendingRows >= pending_max_rows) requestBarrier();
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
      },
      onBarrier: () => {
        if (retention_days !== undefined && watermark_ms !== Number.NEGATIVE_INFINITY)
          writer.dropAllBefore(watermark_ms - retention_days * DAY_MS);
        const done = writer.commit(state);
        appended.add(done.appended);
        dropped.add(done.dropped);
        merges.add(done.merges);
        merged.add(done.merged);
      },
    };
  },
});
