import {
  ByteWriter,
  defineOperator,
  type KvTable,
  type OutMessage,
  PagePool,
  RecordArena,
  type RowBatch,
  type RowsView,
  RunTable,
  rawTable,
} from '../../engine/index.ts';
import { eventLogView, pendingRowsOf } from '../../operators/index.ts';
import type { EventBatch } from '../events/index.ts';
import { RateBook } from '../exchange/index.ts';
import { rowSchema } from '../rows/index.ts';
import { AmendedEvents, amendedRows } from './amended-events.ts';
import type { CorrectionRefusal, RefuseCorrection } from './amender.ts';
import { rateBookOf } from './event-rates.ts';
import { Ledger, type LedgerHeaps } from './ledger.ts';
import { CUT_KEY, CUT_TABLE, readCut, recordRows } from './record-digest.ts';
import { lastEventOf, RecordHeap } from './record-heap.ts';

export interface LedgerConfig {
  /** Declared dimensions, by name, in the order of their columns. */
  readonly custom: readonly string[];
  /** Whole UTC days for which an entity is remembered after its last event; by default for ever. */
  readonly retention_days?: number;
  /** How far the watermark is behind the newest event, ms. */
  readonly outOfOrderness_ms?: number;
  /** Records of each kind of entity that stay in memory when they were not used for a while, bytes; half of it. */
  readonly cache_bytes: number;
  /** The operator that keeps the log, in which events are found that are corrected; absent: none is found. */
  readonly log?: string;
  /** The operator that keeps rates; absent: none are kept. */
  readonly rates?: string;
  /** What to send for a correction that is not taken. By default nothing is sent. */
  readonly refused?: (batch: EventBatch, row: number, why: CorrectionRefusal) => OutMessage;
}

const DAY_MS = 86_400_000;
/** Where the ledger keeps the events that were corrected. */
export const AMENDED_TABLE = 'amended';
/** Uncommitted records of all kinds before a commit is asked for. */
const CHANGED_MAX_RECORDS = 400_000;
const ENTITIES = ['orders', 'customers', 'sessions', 'tickets'] as const;
type Entity = (typeof ENTITIES)[number];

const table = (entity: Entity) =>
  rawTable({
    version: 1,
    logicalRows: (view, _watermark, sibling) => recordRows(view, entity, sibling(CUT_TABLE)),
  });
const tables = () => ({
  [CUT_TABLE]: rawTable({ version: 1, logicalRows: () => [] }),
  orders: table('orders'),
  customers: table('customers'),
  sessions: table('sessions'),
  tickets: table('tickets'),
  [AMENDED_TABLE]: rawTable({
    version: 1,
    logicalRows: (view, _watermark, sibling) => amendedRows(view, readCut(sibling(CUT_TABLE))),
  }),
});

/** The records of one kind of entity: those in use in memory, all of them in runs. */
class EntityRecords {
  readonly heap: RecordHeap;
  readonly runs: RunTable;
  /** No event that still comes remembers an entity whose last event was before this time, ms. */
  gone_ms = 0;

  constructor(stored: KvTable, cache_bytes: number, pool: PagePool) {
    const runs = new RunTable(stored, {}, (bytes, start) => lastEventOf(bytes, start) < this.gone_ms);
    this.runs = runs;
    this.heap = new RecordHeap(
      {
        find: (hi, lo) => runs.find(hi, lo),
        visit: (visitor) => runs.scan((hi, lo, bytes, start, end) => visitor(hi, lo, bytes, start, end)),
      },
      { generation_bytes: cache_bytes / 2 },
      pool,
    );
  }

  /** `arena` is for the time of the call. */
  commit(arena: RecordArena): void {
    this.heap.takeChanged(arena);
    this.runs.commit(arena);
    arena.clear();
    this.heap.turn();
  }
}

/**
 * Completes the rows of events by what other events say (`Ledger`), and passes on batches of rows: those of the
 * events, then the corrections of earlier rows. State: a record for each order, customer, session and ticket, in
 * sorted runs; those in use in memory.
 */
export const ledger = defineOperator<EventBatch, RowBatch, LedgerConfig, ReturnType<typeof tables>>({
  kind: 'ledger',
  summary:
    'Orders with their versions, what events have from their order, and firsts, as rows with retractions',
  state: tables,
  // Records have the dimensions by their place, without names.
  definition: ({ custom }) => ({ custom_dimensions: custom.join(',') }),
  definedTables: ENTITIES,
  start: ({ name, config, state, view, parts, clock, metrics, emit, send, notice, requestBarrier }) => {
    const pool = new PagePool();
    const entities = Object.fromEntries(
      ENTITIES.map((entity) => [entity, new EntityRecords(state[entity], config.cache_bytes, pool)]),
    ) as Readonly<Record<Entity, EntityRecords>>;
    const all = ENTITIES.map((entity) => entities[entity]);
    const arena = new RecordArena();
    const heaps = Object.fromEntries(
      ENTITIES.map((entity) => [entity, entities[entity].heap]),
    ) as unknown as LedgerHeaps;
    const labels = { operator: name };
    for (const entity of ENTITIES) {
      const { heap, runs } = entities[entity];
      metrics.gauge('millrace.ledger.cached', 'Entities in memory', () => heap.cached, { ...labels, entity });
      metrics.gauge(
        'millrace.ledger.memory.usage',
        'Memory for entities',
        () => heap.memory_bytes + runs.memory_bytes,
        { ...labels, entity },
      );
      metrics.gauge('millrace.ledger.runs', 'Runs of records', () => runs.runs, { ...labels, entity });
    }
    const corrected = metrics.counter(
      'millrace.ledger.corrections',
      'Rows that correct earlier ones',
      labels,
    );
    const frozen = metrics.counter(
      'millrace.ledger.frozen',
      'Events of orders with too many to be corrected when the order changes',
      labels,
    );
    const { custom, retention_days, outOfOrderness_ms = 0 } = config;
    const retention_ms = (retention_days ?? 0) * DAY_MS;
    const events = new AmendedEvents(state[AMENDED_TABLE]);
    metrics.gauge(
      'millrace.ledger.awaited',
      'Events that were corrected before they came',
      () => events.awaited,
      labels,
    );
    const refusals = metrics.counter(
      'millrace.ledger.refused',
      'Corrections of events that were not taken',
      labels,
    );
    const refuse: RefuseCorrection = (batch, row, why) => {
      refusals.add();
      const { own, dictionary } = batch;
      notice({
        kind: 'dead_letter',
        scope: dictionary.textOf(own.scope[row] as number),
        sequence: own.sequence[row] as number,
        detail: { reason: why.code, detail: why.detail, part: own.part[row] as number },
      });
      if (config.refused !== undefined) send(config.refused(batch, row, why));
    };
    const { log } = config;
    const pending = (): RowsView | undefined => {
      const give = log === undefined ? undefined : parts.get(pendingRowsOf(log));
      return typeof give === 'function' ? (give as () => RowsView)() : undefined;
    };
    const sources = {
      schema: rowSchema(config.custom),
      committed: log === undefined ? undefined : eventLogView(view, log),
      pending,
    };
    const rates = (): RateBook | undefined => {
      const book = config.rates === undefined ? undefined : parts.get(rateBookOf(config.rates));
      return book instanceof RateBook ? book : undefined;
    };
    let core: Ledger | undefined;
    let storedCut_ms = readCut(state[CUT_TABLE]);
    let cut_ms = storedCut_ms;
    const forget = (): void => {
      // What the earliest event that is still taken remembers.
      const gone_ms = Math.floor((cut_ms - outOfOrderness_ms) / DAY_MS) * DAY_MS - retention_ms;
      for (const entity of all) entity.gone_ms = gone_ms;
    };
    forget();
    return {
      onBatch: (batches) => {
        for (const batch of batches) {
          core ??= new Ledger(
            heaps,
            batch.dictionary,
            { events, sources, rates, refuse },
            custom,
            retention_days,
            outOfOrderness_ms,
          );
          const before = core.frozen;
          cut_ms = Math.max(cut_ms, batch.cut_ms);
          core.apply(batch, clock.now());
          frozen.add(core.frozen - before);
          corrected.add(core.corrections.length);
          batch.own.keep(batch.live);
          batch.own.cut_ms = batch.cut_ms;
          core.corrections.cut_ms = batch.cut_ms;
          emit(core.corrections.length === 0 ? [batch.own] : [batch.own, core.corrections]);
        }
        if (all.reduce((sum, { heap }) => sum + heap.changed, events.changed) > CHANGED_MAX_RECORDS)
          requestBarrier();
      },
      onBarrier: () => {
        if (cut_ms > storedCut_ms) state[CUT_TABLE].put(CUT_KEY, new ByteWriter().u48(cut_ms).view());
        events.commit();
        if (cut_ms > storedCut_ms) events.cut(cut_ms);
        storedCut_ms = cut_ms;
        forget();
        for (const entity of all) entity.commit(arena);
      },
    };
  },
});
