import {
  type ControlDefinition,
  Dictionary,
  defineOperator,
  describeLogChunk,
  describeLogSegment,
  type KvView,
  type LogLimits,
  type LogSchema,
  type LogUpkeep,
  type LogView,
  LogWriter,
  logDigestRows,
  type OperatorDoc,
  type RowBatch,
  type RowsView,
  rawTable,
  verifyLog,
} from '../../../engine/index.ts';

/** Configuration of `eventLog`. */
export interface EventLogConfig {
  readonly schema: LogSchema;
  /** Table of the texts behind the codes: with it `state verify` compares rows with their digests. */
  readonly dictionaryTable?: string;
  /**
   * Whole UTC days of event time that are kept behind the watermark, in days. Absent: what the batches' `cut_ms`
   * says.
   */
  readonly retention_days?: number;
  /** Definitions that say how many days a scope keeps. */
  readonly scopeRetention?: ScopeRetention;
  /** Definitions that ask for work on segments beside what each commit does by itself. */
  readonly upkeep?: LogUpkeepRequests;
  /** Rows between two commits before a barrier is asked for: bounds memory. */
  readonly pending_max_rows?: number;
  readonly limits?: Partial<LogLimits>;
}

/** Whole UTC days that a scope keeps before the day of its newest row, as users define it while the task runs. */
export interface ScopeRetention {
  /** The kind of definition; a scope has one at most. */
  readonly kind: string;
  /** The days of a body, at least 1; undefined: all are kept. Throws for a body that says none of it. */
  readonly daysOf: (body: unknown) => number | undefined;
}

/** Requests for upkeep: each is about the segments that are there when it comes, until it is taken back. */
export interface LogUpkeepRequests {
  readonly kind: string;
  /** Throws for a body that says none of it. */
  readonly read: (body: unknown) => LogUpkeep;
}

const DAY_MS = 86_400_000;
/** While rows come in, upkeep rests for so many times as long as a piece of it took. */
const UPKEEP_RESTS = 3;
const DEFAULT_PENDING_MAX_ROWS = 250_000;

export const eventLogDoc: OperatorDoc = {
  kind: 'event-log',
  summary: 'Every row in columns, kept to be scanned',
};

function tables({ schema, dictionaryTable }: EventLogConfig) {
  const verify = (segments: KvView, sibling: (table: string) => KvView, texts: string): void => {
    const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
    dictionary.follow(sibling(texts));
    verifyLog({ segments, chunks: sibling('chunks') }, schema, dictionary);
  };
  return {
    segments: rawTable({
      version: 1,
      logicalRows: (segments) => logDigestRows(segments),
      ...(dictionaryTable === undefined
        ? {}
        : { verify: (view, sibling) => verify(view, sibling, dictionaryTable) }),
      describeRow: describeLogSegment,
    }),
    chunks: rawTable({ version: 1, logicalRows: () => [], describeRow: describeLogChunk }),
  };
}

/** Under which the log of an operator called `name` shows the task's other operators the rows of no commit yet. */
export function pendingRowsOf(name: string): string {
  return `${name}/pending`;
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
  takesDefinitions: ({ scopeRetention }) => scopeRetention !== undefined,
  start: ({ name: operator, config, state, parts, clock, metrics, requestBarrier, initialWatermark_ms }) => {
    const { schema, limits, retention_days, scopeRetention, upkeep } = config;
    const { pending_max_rows = DEFAULT_PENDING_MAX_ROWS } = config;
    const writer = new LogWriter(state, schema, limits);
    parts.set(pendingRowsOf(operator), (): RowsView => writer.pending);
    let cut_ms = 0;
    let rested_ms = Number.NEGATIVE_INFINITY;
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const labels = { operator };
    const counter = (name: string, help: string) =>
      metrics.counter(`millrace.event_log.${name}`, help, labels);
    const appended = counter('rows_appended', 'Rows written');
    const dropped = counter('rows_dropped', 'Rows behind a cut');
    const merges = counter('merges', 'Merges of segments');
    const merged = counter('rows_merged', 'Rows written again by merges');
    metrics.gauge('millrace.event_log.segments', 'Segments', () => writer.totals().segments, labels);
    metrics.gauge('millrace.event_log.rows', 'Rows kept', () => writer.totals().rows, labels);
    metrics.gauge('millrace.event_log.size', 'Size of the segments', () => writer.totals().bytes, labels);
    return {
      onBatch: (items) => {
        for (const batch of items) {
          cut_ms = Math.max(cut_ms, batch.cut_ms);
          writer.append(batch);
        }
        if (writer.pendingRows >= pending_max_rows) requestBarrier();
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
      },
      onBarrier: () => {
        if (retention_days !== undefined && watermark_ms !== Number.NEGATIVE_INFINITY)
          writer.dropAllBefore(watermark_ms - retention_days * DAY_MS);
        if (cut_ms > 0) writer.dropAllBefore(cut_ms);
        const started_ms = clock.now();
        const done = writer.commit(state, watermark_ms, writer.pendingRows > 0 && started_ms < rested_ms);
        const ended_ms = clock.now();
        if (done.hasKeptUp) rested_ms = ended_ms + (ended_ms - started_ms) * UPKEEP_RESTS;
        appended.add(done.appended);
        dropped.add(done.dropped);
        merges.add(done.merges);
        merged.add(done.merged);
        // While rows come in the next commit comes soon by itself.
        if (done.appended === 0 && writer.hasUpkeep) requestBarrier();
      },
      ...(scopeRetention === undefined && upkeep === undefined
        ? {}
        : {
            definitions: {
              kinds: [scopeRetention, upkeep].flatMap((taken) => (taken === undefined ? [] : [taken.kind])),
              define: ({ kind, scope, id, body }: ControlDefinition) => {
                if (kind === upkeep?.kind) writer.beginUpkeep(id, upkeep.read(body));
                else writer.keepDays(scope, scopeRetention?.daysOf(body));
              },
              forget: ({ kind, scope, id }: ControlDefinition) => {
                if (kind === upkeep?.kind) writer.endUpkeep(id);
                else writer.keepDays(scope, undefined);
              },
            },
          }),
    };
  },
});
