import {
  deadLetter,
  defineOperator,
  type OperatorDoc,
  type RecordPlace,
  type Rejection,
  type SourceRecord,
} from '../../engine/index.ts';

/** What a decode function reports, in message order. */
export interface Decoded<E> {
  accept(event: E): void;
  reject(place: RecordPlace, why: Rejection, bytes: Uint8Array): void;
}

export interface DecodeConfig<E> {
  /** Made once a task, so that it may keep caches. Must not throw for any bytes. */
  readonly decoder: () => (record: SourceRecord, now_ms: number, out: Decoded<E>) => void;
}

export const decodeDoc: OperatorDoc = {
  kind: 'decode',
  summary: 'Records to events; what is malformed to the dead letters',
  does: 'Hands each record of the stream to a decoder of yours, which reports in message order what it accepts (any number of events) and what it rejects, part by part, with a stable code and a detail. Events are passed on; a rejected part goes to the subject `deadletter.<tenant>` with its bytes and, in headers, the reason, its place in the stream and the headers that it had (`Original-Headers`, a JSON list of name and value, at most 8,192 characters). The decoder is made once a task, so it may keep caches. For records that are one JSON value each, `json` does the work.',
  state: 'None.',
  late: 'Time plays no part: records are read in the order of the stream.',
  duplicates: 'Each record is read by itself; put `dedup` behind it to pass each id once.',
  failure:
    'A decoder must not throw, whatever the bytes: that stops the task. Dead letters are owed through the outbox, in the commit that moves the position past their record, with ids made of their place in the stream: after a crash they are sent again under the same ids. Counted as `millrace.decode.accepted` and, by reason, `millrace.decode.rejected`, and listed as notices of the kind `dead_letter`. Payloads over 1 MB are cut, which the header `Truncated-From` says.',
};

/**
 * Turns records into events. What cannot be decoded goes to the dead letters (subject
 * `deadletter.<tenant>`, headers `Reason`, `Reason-Detail`, `Original-Subject`, `Original-Seq`,
 * `Original-Headers`) through the outbox, is counted by reason, and the rest of its message is processed. A dead letter's id is its
 * place in the stream, so a repeat after a crash is the same message. No state.
 */
export function decode<E>(name: string, config: DecodeConfig<E>) {
  return make<E>()(name, config);
}

const make = <E>() =>
  defineOperator<SourceRecord, E, DecodeConfig<E>>({
    kind: 'decode',
    summary: 'Records to events; what is malformed to the dead letters',
    start: ({ config, clock, metrics, emit, send, notice }) => {
      const run = config.decoder();
      const accepted = metrics.counter('millrace.decode.accepted', 'Events decoded');
      let events: E[] = [];
      const out: Decoded<E> = {
        accept: (event) => {
          events.push(event);
        },
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
      };
      return {
        onBatch: (records) => {
          const now_ms = clock.now();
          for (const record of records) run(record, now_ms, out);
          const decoded = events;
          events = [];
          accepted.add(decoded.length);
          emit(decoded);
        },
      };
    },
  });
