import { expect, it } from 'vitest';
import { deadLetter, type SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { TopologyTestDriver } from './index.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentOf = (number: number, flags = '01'): string =>
  `00-${TRACE_ID}-${String(number).padStart(16, '0')}-${flags}`;

/** Sends each record on, what is "bad" to the dead letters, and with "own" a trace of its own. */
const relay = defineOperator<SourceRecord, SourceRecord, undefined>({
  kind: 'relay',
  summary: 'Sends records on',
  start: ({ send, emit }) => ({
    onBatch: (records) => {
      for (const record of records) {
        const text = Buffer.from(record.data).toString();
        if (text === 'bad') {
          const why = { code: 'bad', detail: '' };
          send(deadLetter({ tenant: 'default', record, part: 0 }, why, record.data));
        } else {
          const headers = text === 'own' ? { Traceparent: parentOf(99) } : {};
          send({ id: `${record.sequence}`, subject: `out.${text}`, headers, payload: record.data });
        }
      }
      emit(records);
    },
  }),
});

const relayed = topology('relayed', (t) => void t.source('in').pipe(relay('relay', undefined)));

it('gives what is sent the trace of the record that it was made of', async () => {
  const driver = await TopologyTestDriver.start(relayed);
  const record = (text: string, headers: Readonly<Record<string, string>> = {}) => ({
    subject: 'in',
    data: Buffer.from(text),
    headers,
  });
  await driver.push(
    record('a'),
    record('b', { traceparent: parentOf(1), tracestate: 'vendor=1' }),
    record('c', { traceparent: parentOf(1), tracestate: 'vendor=1' }),
    record('d'),
    record('e', { TraceParent: parentOf(2) }),
    record('own', { traceparent: parentOf(3) }),
    record('bad', { traceparent: parentOf(4, '00') }),
    record('unsampled', { traceparent: parentOf(5, '00') }),
    record('rubbish', { traceparent: 'not one' }),
  );
  driver.commit();
  const traces = Object.fromEntries(
    driver.sent.map(({ subject, headers }) => [
      subject,
      [headers.traceparent ?? headers.Traceparent, headers.tracestate],
    ]),
  );
  expect(traces).toEqual({
    'out.a': [undefined, undefined],
    'out.b': [parentOf(1), 'vendor=1'],
    'out.c': [parentOf(1), 'vendor=1'],
    'out.d': [undefined, undefined],
    'out.e': [parentOf(2), undefined],
    'out.own': [parentOf(99), undefined],
    'deadletter.default': [parentOf(4, '00'), undefined],
    'out.unsampled': [undefined, undefined],
    'out.rubbish': [undefined, undefined],
  });
});
