import {
  deadLetter,
  defineOperator,
  type OperatorDoc,
  rawTable,
  type SourceRecord,
} from '../../engine/index.ts';
import { DEFAULT_DICTIONARY_TEXTS, Dictionary } from '../../engine/log/index.ts';
import { ColumnDecoder } from './column-decoder.ts';
import { EventBatch } from './event-batch.ts';

export interface DecodeEventsConfig {
  /** Names of the declared dimensions, in the order of their columns. */
  readonly custom?: readonly string[];
  /** Event time before which a tenant's events are forgotten, ms; by default nothing is. Asked once a push. */
  readonly retentionCut?: (tenant: string) => number;
  /** Texts of the dictionary; later ones are `__other__`. */
  readonly dictionaryTexts?: number;
}

export const decodeEventsDoc: OperatorDoc = {
  kind: 'decode-events',
  summary: 'Messages to columns of events; what is malformed to the dead letters',
  does: 'Decodes each message (one flat JSON event, an array or NDJSON of them, CloudEvents in structured, batched or binary mode) into the columns of one batch, which goes on. Texts become codes of the dictionary, ids become hashes. A part that is no event goes to the subject `deadletter.<tenant>` with its bytes, the reason and its place in the stream; the other parts of its message are processed. An array that is no JSON is one dead letter.',
  state:
    'The dictionary: each text once, at most `dictionaryTexts` of them. Codes are durable with the commit that follows them. It stays out of the digest: rows are compared by their texts.',
  late: 'Time plays no part, but for the retention: an event before the cut is a dead letter `behind_retention`.',
  duplicates: 'Each message is read by itself; `dedup` behind it decides.',
  failure:
    'Malformed messages never stop the task. Dead letters are owed through the outbox, in the commit that moves the position past their message, under ids made of their place: after a crash they are sent again under the same ids. Counted as `millrace.decode.accepted` and, by reason, `millrace.decode.rejected`; of one message at most 1,000 parts become dead letters, and one more says how many there were.',
};

const tables = () => ({ dictionary: rawTable({ version: 1, logicalRows: () => [] }) });

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
  start: ({ config, state, clock, metrics, emit, send, notice }) => {
    const { custom = [], retentionCut, dictionaryTexts = DEFAULT_DICTIONARY_TEXTS } = config;
    const dictionary = new Dictionary(dictionaryTexts);
    dictionary.follow(state.dictionary);
    const cut = retentionCut === undefined ? {} : { retentionCut };
    const decoder = new ColumnDecoder({ dictionary, custom, ...cut });
    const batch = new EventBatch(dictionary, custom);
    const out = [batch];
    const accepted = metrics.counter('millrace.decode.accepted', 'Events decoded');
    return {
      onBatch: (records) => {
        batch.clear(records);
        decoder.decodeAll(batch, clock.now(), {
          reject: (place, why, bytes) => {
            metrics.counter('millrace.decode.rejected', 'Dead letters', { reason: why.code }).add();
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
      onBarrier: () => dictionary.flush(state.dictionary),
    };
  },
});
