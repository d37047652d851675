import {
  ByteReader,
  ByteWriter,
  type ControlDefinition,
  DEFAULT_DICTIONARY_TEXTS,
  Dictionary,
  deadLetter,
  defineOperator,
  type KvView,
  type OperatorDoc,
  rawTable,
  type SourceRecord,
} from '../../engine/index.ts';
import { CUSTOM_FIELD_KIND, FieldRulesOfTenants } from '../custom-fields/index.ts';
import { ColumnDecoder } from './column-decoder.ts';
import type { DimensionPaths } from './dimension-paths.ts';
import { EventBatch } from './event-batch.ts';

export interface DecodeEventsConfig {
  /** Names of the declared dimensions, in the order of their columns. */
  readonly custom?: readonly string[];
  /** Those of them that are not the member of their name. */
  readonly paths?: DimensionPaths;
  /**
   * Whole UTC days of event time that are kept behind the watermark; by default all are. What lies before the cut is
   * rejected, and `cut_ms` of each batch says it to the operators behind. The cut never moves back.
   */
  readonly retention_days?: number;
  /** Bad parts of one message that become dead letters of their own. */
  readonly rejections_max?: number;
  /** Texts of the dictionary; later ones are `__other__`. */
  readonly dictionaryTexts?: number;
}

export const decodeEventsDoc: OperatorDoc = {
  kind: 'decode-events',
  summary: 'Messages to columns of events; what is malformed to the dead letters',
};

const DAY_MS = 86_400_000;
const CUT_KEY = Uint8Array.of(1);

/** Event time before which events are rejected, ms, by the operator's table `retention`; 0 where none are. */
export function readRetentionCut(retention: Pick<KvView, 'get'>): number {
  const stored = retention.get(CUT_KEY);
  return stored === undefined ? 0 : new ByteReader(stored).u48();
}

/** Grows when types and statuses of orders are read by other names: 1 knows `fulfilled`, `new_status` and those in `data`. */
const NAMES_VERSION = 1;
const NAMES_KEY = Uint8Array.of(2);

/** Whether a state with events was begun by a version that read fewer names, by the table `retention`. */
export function hasOlderNames(retention: Pick<KvView, 'get'>): boolean {
  return (retention.get(NAMES_KEY)?.[0] ?? 0) < NAMES_VERSION;
}

const tables = () => ({
  dictionary: rawTable({ version: 1, logicalRows: () => [] }),
  retention: rawTable({ version: 1, logicalRows: () => [] }),
});

/**
 * Messages of the stream to one EventBatch a push, which is used again for the next: nobody behind it may keep it.
 * State: the dictionary of the batch's texts.
 */
export const decodeEvents = defineOperator<
  SourceRecord,
  EventBatch,
  DecodeEventsConfig,
  ReturnType<typeof tables>
>({
  kind: decodeEventsDoc.kind,
  summary: decodeEventsDoc.summary,
  state: tables,
  start: ({ name, config, state, clock, metrics, emit, send, notice }) => {
    const { custom = [], paths = {}, retention_days, dictionaryTexts = DEFAULT_DICTIONARY_TEXTS } = config;
    const dictionary = new Dictionary(dictionaryTexts);
    const none = dictionary.size;
    dictionary.follow(state.dictionary);
    // Of events that are there already it is not known.
    let isNew = dictionary.size === none && hasOlderNames(state.retention);
    let cut_ms = readRetentionCut(state.retention);
    const most = config.rejections_max === undefined ? {} : { rejections_max: config.rejections_max };
    const fields = new FieldRulesOfTenants();
    const decoder = new ColumnDecoder({
      ...{ dictionary, custom, paths, retentionCut: () => cut_ms, ...most },
      fieldRules: (tenant) => fields.of(tenant),
    });
    const batch = new EventBatch(dictionary, custom);
    const out = [batch];
    const labels = { operator: name };
    metrics.gauge('millrace.dictionary.texts', 'Texts in the dictionary', () => dictionary.size, labels);
    metrics.observedCounter(
      'millrace.dictionary.overflowed',
      'Texts that became `__other__`, for the dictionary is full',
      () => dictionary.overflowed,
      labels,
    );
    const accepted = metrics.counter('millrace.decode.accepted', 'Events decoded', labels);
    return {
      onBatch: (records) => {
        batch.clear(records);
        batch.cut_ms = cut_ms;
        decoder.decodeAll(batch, clock.now(), {
          reject: (place, why, bytes) => {
            metrics
              .counter('millrace.decode.rejected', 'Dead letters', { ...labels, reason: why.code })
              .add();
            send(deadLetter(place, why, bytes));
            notice({
              kind: 'dead_letter',
              scope: place.tenant,
              sequence: place.record.sequence,
              detail: { reason: why.code, detail: why.detail, part: place.part },
            });
          },
          badRate: ({ tenant, record }, detail) =>
            notice({ kind: 'bad_rate', scope: tenant, sequence: record.sequence, detail: { detail } }),
        });
        accepted.add(batch.length);
        if (batch.length > 0) emit(out);
      },
      definitions: {
        kinds: [CUSTOM_FIELD_KIND],
        define: ({ scope, id, body }: ControlDefinition) => fields.define(scope, id, body),
        forget: ({ scope, id }: ControlDefinition) => fields.forget(scope, id),
      },
      onBarrier: ({ watermark_ms }) => {
        dictionary.flush(state.dictionary);
        if (isNew) state.retention.put(NAMES_KEY, Uint8Array.of(NAMES_VERSION));
        isNew = false;
        if (retention_days === undefined || watermark_ms === undefined || watermark_ms === null) return;
        const day_ms = Math.floor(watermark_ms / DAY_MS - retention_days) * DAY_MS;
        if (day_ms <= cut_ms) return;
        cut_ms = day_ms;
        state.retention.put(CUT_KEY, new ByteWriter().u48(cut_ms).copy());
        // So that all of them forget the same in this commit, whatever comes next.
        batch.clear([]);
        batch.cut_ms = cut_ms;
        emit(out);
      },
    };
  },
});
