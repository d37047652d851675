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

/** Configuration of `decode`. */
export interface DecodeConfig<E> {
  /** Made once a task, so that it may keep caches. Must not throw for any bytes. */
  readonly decoder: () => (record: SourceRecord, now_ms: number, out: Decoded<E>) => void;
}

export const decodeDoc: OperatorDoc = {
  kind: 'decode',
  summary: 'Records to events; what is malformed to the dead letters',
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
    // The decoder says whose they are.
    sendsTo: () => [{ subject: 'deadletter.>' }],
    start: ({ name, config, clock, metrics, emit, send, notice }) => {
      const run = config.decoder();
      const accepted = metrics.counter('millrace.decode.accepted', 'Events decoded', { operator: name });
      let events: E[] = [];
      const out: Decoded<E> = {
        accept: (event) => {
          events.push(event);
        },
        reject: (place, why, bytes) => {
          metrics
            .counter('millrace.decode.rejected', 'Dead letters', { operator: name, reason: why.code })
            .add();
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
