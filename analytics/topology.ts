import {
  cutOf,
  Dictionary,
  deadLetter,
  type KvView,
  type LogLimits,
  type LogSchema,
  logScopes,
  planScan,
  type Rejection,
  scanChunks,
  type Topology,
  topology,
} from '../engine/index.ts';
import {
  anomalies,
  type CubeDefinition,
  cubes,
  cubeViews,
  dedupEvents,
  eventLog,
  eventLogView,
  type FitPlace,
  logHistory,
  type ReaderColumns,
  type RowHistory,
} from '../operators/index.ts';
import {
  ALERT_KIND,
  anomalyMessage,
  MARK_KIND,
  METRIC_KIND,
  OrderRuleBook,
  PulseReader,
  RULE_COLUMNS,
  RULE_KIND,
} from './anomalies/index.ts';
import {
  type DimensionPaths,
  decodeEvents,
  type EventBatch,
  RESENDS_SUBJECT,
  rawOf,
} from './events/index.ts';
import { keptFunnels } from './funnels/index.ts';
import { type KeptLimits, keptEvents } from './kept-events/index.ts';
import { eventRates, eventWatermark, ledger, readEventsAhead, readTenantWatermark } from './ledger/index.ts';
import { StateCells } from './rebuilt/index.ts';
import {
  CODE,
  CUBE_KIND,
  cubeOfBody,
  DEFAULT_ROW_CUBES,
  HASH,
  LOG_UPKEEP_KIND,
  logUpkeepOf,
  RowContribution,
  retentionDaysOf,
  rowSchema,
  SETTINGS_KIND_NAME,
} from './rows/index.ts';

export interface OrderAnalyticsOptions {
  readonly cubes: readonly CubeDefinition[];
  /** Cells of one cube, UTC day and tenant before new values go to `__other__`. */
  readonly cells_per_day: number;
  /** Names of declared dimensions, in the order of their columns. */
  readonly custom: readonly string[];
  /** Those of them that are not the member of their name, by tenant. */
  readonly dimension_paths: DimensionPaths;
  /** Newest event ids found in memory by id alone. */
  readonly dedup_memory_ids: number;
  /** Whole UTC days of event time that are kept behind the watermark; undefined: all are. */
  readonly retention_days: number | undefined;
  /** Bytes of one tenant in the event log, about; beyond them its oldest UTC days go. undefined: no limit. */
  readonly log_max_bytes: number | undefined;
  /** Bad parts of one message that become dead letters of their own; undefined: 1,000. */
  readonly rejections_max: number | undefined;
  readonly outOfOrderness_ms: number;
  readonly idle_ms: number;
  /** Memory for the records of each kind of entity that are in use, bytes. */
  readonly ledger_cache_bytes: number;
  /** Sizes at which segments of the log are merged, sorted and sealed. */
  readonly log_limits: Partial<LogLimits>;
  /** How much is kept of stored funnels. */
  readonly kept_limits: Partial<KeptLimits>;
  /** Where models of anomaly rules are fitted beside the task; undefined: in it, as they are needed. */
  readonly fits: FitPlace | undefined;
}

export const DEFAULT_OPTIONS: OrderAnalyticsOptions = {
  cubes: DEFAULT_ROW_CUBES,
  cells_per_day: 100_000,
  custom: [],
  dimension_paths: {},
  dedup_memory_ids: 10_000_000,
  rejections_max: undefined,
  retention_days: undefined,
  log_max_bytes: undefined,
  outOfOrderness_ms: 30_000,
  idle_ms: 60_000,
  ledger_cache_bytes: 16 * 1_048_576,
  log_limits: {},
  fits: undefined,
  kept_limits: {},
};

export const TOPOLOGY_NAME = 'order-analytics';
/** The operators' names: they key the tables that queries read. */
export const OPERATORS = {
  decode: 'decode',
  dedup: 'dedup',
  watermark: 'watermark',
  rates: 'fx-rates',
  ledger: 'ledger',
  log: 'log',
  cubes: 'cubes',
  anomalies: 'anomalies',
  funnels: 'funnels',
} as const;
/** Table of the texts behind all codes. */
export const DICTIONARY_TABLE = `${OPERATORS.decode}/dictionary`;
/** Table of the cut: `readRetentionCut` reads it. */
export const RETENTION_TABLE = `${OPERATORS.decode}/retention`;
/** The time before which a tenant has no events, ms, by the tables of the state; undefined: it has all. */
export function readKeptFrom(table: (id: string) => KvView, tenant: string): number | undefined {
  return cutOf(eventLogView(table, OPERATORS.log), tenant);
}
/** Table of the ledger's orders: `OrderBegins` reads it. */
export const ORDERS_TABLE = `${OPERATORS.ledger}/orders`;
/** Table of the tenants' own watermarks. */
const TENANTS_TABLE = `${OPERATORS.watermark}/tenants`;

/**
 * Up to where the events of a tenant are expected to be in, ms, by its own watermark; null before its first event. What
 * completeness goes by.
 */
export function readCompleteUntil(table: (id: string) => KvView, tenant: string): number | null {
  return readTenantWatermark(table(TENANTS_TABLE), tenant);
}

/** Events of a tenant that were more than 5 minutes ahead of their storing, by their `source`. */
export function readAheadOfStoring(
  table: (id: string) => KvView,
  tenant: string,
): Readonly<Record<string, number>> {
  return readEventsAhead(table(TENANTS_TABLE), tenant);
}
/** Tables of the cells of cubes, and of how full their days are. */
export const CUBE_TABLES = { cells: `${OPERATORS.cubes}/cells`, days: `${OPERATORS.cubes}/days` } as const;
export const RATES_TABLE = `${OPERATORS.rates}/rates`;

const described = ({ own, dictionary }: EventBatch, row: number) => ({
  scope: dictionary.textOf(own.scope[row] as number),
  sequence: own.sequence[row] as number,
  detail: { part: own.part[row] as number, time: new Date(own.time_ms[row] as number).toISOString() },
});

const CONFLICT = { code: 'conflict', detail: 'The event id is known with another payload' };

function letterOf(batch: EventBatch, row: number, why: Rejection) {
  const { own, dictionary } = batch;
  const record = batch.records[batch.record[row] as number];
  if (record === undefined) throw new Error('an event lies in a record of its batch');
  const part = own.part[row] as number;
  const place = { tenant: dictionary.textOf(own.scope[row] as number), record, part };
  return deadLetter(place, why, rawOf(record, part) ?? record.data);
}

/** The default topology: from messages of the stream to the event log and the cubes that queries read. */
export function orderAnalytics(options: Partial<OrderAnalyticsOptions> = {}): Topology {
  const config = { ...DEFAULT_OPTIONS, ...options };
  const schema = rowSchema(config.custom);
  const { retention_days } = config;
  const retention = retention_days === undefined ? {} : { retention_days };
  const columns = new RowContribution().columns;
  return topology(TOPOLOGY_NAME, (t) => {
    const rows = t.source('events', { resendsOn: RESENDS_SUBJECT }).pipe(
      decodeEvents(OPERATORS.decode, {
        custom: config.custom,
        paths: config.dimension_paths,
        ...retention,
        ...(config.rejections_max === undefined ? {} : { rejections_max: config.rejections_max }),
      }),
      dedupEvents<EventBatch>(OPERATORS.dedup, {
        memory_ids: config.dedup_memory_ids,
        describe: described,
        conflict: (batch, row) => letterOf(batch, row, CONFLICT),
      }),
      eventWatermark(OPERATORS.watermark, {
        outOfOrderness_ms: config.outOfOrderness_ms,
        idle_ms: config.idle_ms,
      }),
      eventRates(OPERATORS.rates, undefined),
      ledger(OPERATORS.ledger, {
        custom: config.custom,
        ...retention,
        outOfOrderness_ms: config.outOfOrderness_ms,
        cache_bytes: config.ledger_cache_bytes,
        log: OPERATORS.log,
        rates: OPERATORS.rates,
        refused: letterOf,
      }),
    );
    // Before the cubes, which read the log at a barrier.
    const { log_max_bytes: scope_max_bytes } = config;
    const limits = { ...config.log_limits, ...(scope_max_bytes === undefined ? {} : { scope_max_bytes }) };
    rows.pipe(
      eventLog(OPERATORS.log, {
        ...{ schema, limits, dictionaryTable: DICTIONARY_TABLE },
        scopeRetention: { kind: SETTINGS_KIND_NAME, daysOf: retentionDaysOf },
        upkeep: { kind: LOG_UPKEEP_KIND, read: logUpkeepOf },
      }),
    );
    rows.pipe(
      cubes(OPERATORS.cubes, {
        schema,
        cubes: config.cubes,
        reader: () => new RowContribution(),
        dictionaryTable: DICTIONARY_TABLE,
        cells_per_day: config.cells_per_day,
        defined: { kind: CUBE_KIND, read: (body) => cubeOfBody(body, config.custom) },
        history: (table) => historyOf(table, schema, columns),
      }),
    );
    rows.pipe(
      anomalies(OPERATORS.anomalies, {
        schema,
        dictionaryTable: DICTIONARY_TABLE,
        history: (table) => historyOf(table, schema, RULE_COLUMNS),
        dictionary: dictionaryOf,
        kinds: [METRIC_KIND, RULE_KIND, MARK_KIND, ALERT_KIND],
        book: () => new OrderRuleBook(config.custom),
        pulse: () => new PulseReader(),
        message: anomalyMessage,
        fits: config.fits,
      }),
    );
    rows.pipe(storedFunnels(config.custom, config.kept_limits));
  });
}

/** Keeps what stored funnels are answered from; the event log stands before it. */
export function storedFunnels(custom: readonly string[], limits: Partial<KeptLimits> = {}) {
  const schema = rowSchema(custom);
  return keptEvents(OPERATORS.funnels, {
    ...{ schema, limits, kind: keptFunnels(custom), dictionaryTable: DICTIONARY_TABLE },
    history: (table) => historyOf(table, schema, KEPT_COLUMNS),
  });
}

/** What of every row decides whether a definition keeps it, and whose it is; texts come by their names. */
const KEPT_COLUMNS: ReaderColumns = {
  codes: [CODE.type, CODE.marks, CODE.retraction],
  ...{ numbers: [], itemNumbers: [] },
  hashes: Object.values(HASH),
};

function dictionaryOf(table: (id: string) => KvView, before: Dictionary | undefined): Dictionary {
  const dictionary = before ?? new Dictionary(Number.POSITIVE_INFINITY);
  dictionary.follow(table(DICTIONARY_TABLE));
  return dictionary;
}

/** The rows of the log, in the columns that are asked for. */
function historyOf(table: (id: string) => KvView, schema: LogSchema, columns: ReaderColumns): RowHistory {
  const dictionary = (before: Dictionary | undefined): Dictionary => dictionaryOf(table, before);
  return logHistory(logReads(table, schema), { schema, columns, dictionary });
}

/** The cubes of a snapshot of a state, with the log that they are counted from. `before`: of an earlier snapshot. */
export function stateCells(
  table: (id: string) => KvView,
  custom: readonly string[],
  before?: StateCells,
): StateCells {
  const history = historyOf(table, rowSchema(custom), new RowContribution().columns);
  const dictionary = dictionaryOf(table, before?.dictionary);
  return new StateCells({ cubes: cubeViews(table, OPERATORS.cubes), dictionary, history });
}

function logReads(table: (id: string) => KvView, schema: ReturnType<typeof rowSchema>) {
  const view = eventLogView(table, OPERATORS.log);
  return {
    scopes: () => logScopes(view.segments),
    plan: (request: Parameters<typeof planScan>[1]) => planScan(view, request),
    scan: (plan: ReturnType<typeof planScan>, visit: Parameters<typeof scanChunks>[3]) =>
      scanChunks(view, plan, schema, visit),
  };
}
