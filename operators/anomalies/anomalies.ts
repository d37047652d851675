import {
  type ControlDefinition,
  type Dictionary,
  defineOperator,
  type KvView,
  type LogSchema,
  type RowBatch,
  rawTable,
} from '../../engine/index.ts';
import type { RowHistory } from '../views/backfill/index.ts';
import {
  type CubesConfig,
  describeBlock,
  describeDay,
  logicalCells,
  type OwnReader,
} from '../views/cubes/index.ts';
import type { AnomalyRecord } from './anomaly-rows.ts';
import type { FitPlace } from './fit-place.ts';
import { RuleSet } from './rule-set.ts';
import type { AnomalyEvent } from './told-anomalies.ts';
import type { WatchedRule } from './watched-rule.ts';

/** What the definitions that an operator takes mean together. */
export interface RuleBook {
  /** Throws an error with a code for one that cannot be, having changed nothing. */
  define(definition: ControlDefinition): void;
  forget(definition: ControlDefinition): void;
  /** Those of all scopes, as they are now. A rule that stayed is the same object. */
  rules(): readonly WatchedRule[];
}

export interface AnomaliesConfig extends Pick<CubesConfig, 'schema' | 'dictionaryTable'> {
  readonly schema: LogSchema;
  readonly dictionaryTable: string;
  readonly history: (table: (id: string) => KvView) => RowHistory;
  /** Of the table `dictionaryTable`, to go on from what it gave last. */
  readonly dictionary: (table: (id: string) => KvView, before: Dictionary | undefined) => Dictionary;
  /** Kinds of definitions that rules are made of. */
  readonly kinds: readonly string[];
  readonly book: () => RuleBook;
  /** Counts a scope's events: one sum. */
  readonly pulse: () => OwnReader;
  /** Subject and payload of what is told. */
  readonly message: (
    event: AnomalyEvent,
    scope: string,
    record: AnomalyRecord,
    rule: WatchedRule | undefined,
  ) => { readonly subject: string; readonly payload: Uint8Array };
  /** Where models are fitted beside the task. Default: in it, as they are needed. What comes of it is the same. */
  readonly fits?: FitPlace | undefined;
  /** Groups of all rules that are judged. Default: 100,000. */
  readonly max_groups?: number;
  /** Windows that are judged in a commit, about. Default: 20,000. */
  readonly commit_max_windows?: number;
  /** Cells of one rule, UTC day and scope before new ones are not judged. Default: 1,000,000. */
  readonly cells_per_day?: number;
}

function tables({ dictionaryTable }: AnomaliesConfig) {
  const none = (): Iterable<Uint8Array> => [];
  return {
    cells: rawTable({
      version: 1,
      describeRow: describeBlock,
      logicalRows: (cells, _, table) =>
        logicalCells(
          { cells, definitions: table('definitions'), days: table('days') },
          table(dictionaryTable),
        ),
    }),
    definitions: rawTable({ version: 1, logicalRows: none }),
    days: rawTable({ version: 1, logicalRows: none, describeRow: describeDay }),
    // Which windows are closed goes by the clock, too, while the source is idle: verdicts are no logical content.
    series: rawTable({ version: 1, logicalRows: none }),
    snapshots: rawTable({ version: 1, logicalRows: none }),
    progress: rawTable({ version: 1, logicalRows: none }),
    silent: rawTable({ version: 1, logicalRows: none }),
    anomalies: rawTable({ version: 1, logicalRows: none }),
  };
}

/**
 * Keeps the sums that rules are of, and judges their windows as the watermark closes them: in the same commit, from
 * the same sums as any query. What a late event corrects is judged again, from the newest snapshot before it.
 */
export const anomalies = defineOperator<RowBatch, RowBatch, AnomaliesConfig, ReturnType<typeof tables>>({
  kind: 'anomalies',
  summary: 'Windows of sums judged as they close, and again when they are corrected',
  state: tables,
  unordered: () =>
    'windows are judged while commits pass, so what is told of them, and how often, goes by commits',
  takesDefinitions: () => true,
  start: (context) => {
    const { config, emit, requestBarrier, initialWatermark_ms } = context;
    const set = new RuleSet(context);
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    return {
      onBatch: (batches) => {
        if (set.add(batches)) requestBarrier();
        emit(batches);
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
        // A window has closed: its subscribers wait for it.
        if (time_ms >= set.due_ms) requestBarrier();
      },
      nextDue_ms: () => (Number.isFinite(set.due_ms) ? set.due_ms : undefined),
      onBarrier: ({ now_ms }) => {
        if (set.commit(watermark_ms, now_ms)) requestBarrier();
      },
      definitions: {
        kinds: config.kinds,
        define: (definition: ControlDefinition) => set.define(definition),
        forget: (definition: ControlDefinition) => set.forget(definition),
      },
    };
  },
});
