import { describe, expect, it } from 'vitest';
import { flatten, structuredOf, valueOfPart } from './cloud-event.ts';
import { exactJsonText } from './exact-json.ts';
import { decoded, GOOD, recordOf } from './fixture-columns.ts';
import { rawOf } from './parts.ts';

const DATA = { amount: 7, country: 'DE', items: [{ sku: 'ü', quantity: 1, unit_price: 7 }] };
const envelope = {
  specversion: '1.0',
  id: 'Café-1',
  source: '/shop',
  type: GOOD.type,
  time: GOOD.time,
  region: 'Île-de-France',
  sequence: 17,
  final: true,
  datacontenttype: 'application/json',
};
const HEADERS = {
  'CE-Specversion': '1.0',
  'ce-id': 'Caf%C3%A9-1',
  'ce-source': '/shop',
  'ce-type': 'order%2Ecreated',
  'ce-time': '2025-08-01T10%3A00%3A00Z',
  'ce-region': '%C3%8Ele-de-France',
  'Ce-Sequence': '17',
  'ce-final': 'true',
  'content-type': 'application/json',
};
const base64 = (value: string): string => Buffer.from(value).toString('base64');
const flat = {
  event_id: 'Café-1',
  type: GOOD.type,
  time: GOOD.time,
  source: '/shop',
  region: 'Île-de-France',
  sequence: '17',
  final: 'true',
  ...DATA,
};
const [wanted] = decoded(recordOf(JSON.stringify(flat))).rows;

describe('a CloudEvent', () => {
  it.each([
    ['structured', recordOf(JSON.stringify({ ...envelope, data: DATA }))],
    [
      'structured with its data in base64',
      recordOf(JSON.stringify({ ...envelope, data_base64: base64(JSON.stringify(DATA)) })),
    ],
    ['binary', recordOf(JSON.stringify(DATA), HEADERS)],
    [
      'batched',
      recordOf(JSON.stringify([{ ...envelope, data: DATA }]), {
        'Content-Type': 'application/cloudevents-batch+json',
      }),
    ],
    [
      'a line of NDJSON',
      recordOf(`\n${JSON.stringify({ ...envelope, data: DATA })}\n`, { 'Content-Type': 'application/jsonl' }),
    ],
    [
      'binary, as it is published again',
      recordOf(structuredOf(recordOf('', HEADERS), Buffer.from(JSON.stringify(DATA))) ?? ''),
    ],
  ])('%s is the same event: one identity, one payload', (_, record) => {
    const { rows, rejected } = decoded(record);
    expect([rejected, rows]).toEqual([[], [wanted]]);
  });

  it('its attributes stand before members of its data', () => {
    const data = { ...DATA, event_id: 'no', type: 'visit', time: 'never', region: 'x' };
    const [found] = decoded(recordOf(JSON.stringify({ ...envelope, data }))).rows;
    expect([found?.id, found?.type, found?.region]).toEqual([wanted?.id, 'order.created', 'Île-de-France']);
  });

  it('is checked the same wherever its data is', () => {
    const data = { amount: '12.50' };
    for (const members of [{ data }, { data_base64: base64(JSON.stringify(data)) }])
      expect(decoded(recordOf(JSON.stringify({ ...envelope, ...members }))).rejected).toEqual([
        'bad_field@0',
      ]);
    expect(decoded(recordOf(JSON.stringify(data), HEADERS)).rejected).toEqual(['bad_field@0']);
    const deep = `{"a":${'['.repeat(200)}${']'.repeat(200)}}`;
    expect(decoded(recordOf(JSON.stringify({ ...envelope, data_base64: base64(deep) }))).rejected).toEqual([
      'bad_field@0',
    ]);
  });

  it('may have no data, or data that is no JSON', () => {
    const none = decoded(recordOf(JSON.stringify(envelope)), recordOf('', HEADERS));
    expect(none.rejected).toEqual([]);
    expect(none.rows[0]?.payload).toBe(none.rows[1]?.payload);
    const opaque = decoded(
      recordOf(JSON.stringify({ ...envelope, data_base64: base64('plain') })),
      recordOf('plain', { ...HEADERS, 'content-type': 'text/plain' }),
    );
    expect(opaque.rejected).toEqual([]);
    expect(opaque.rows[0]?.payload).toBe(opaque.rows[1]?.payload);
    expect(decoded(recordOf('{"a":', HEADERS)).rejected).toEqual(['malformed_json@0']);
  });

  it('without an id or a time is a dead letter', () => {
    expect(decoded(recordOf(JSON.stringify({ ...envelope, id: undefined }))).rejected).toEqual([
      'missing_field@0',
    ]);
    const { 'ce-time': _, ...rest } = HEADERS;
    expect(decoded(recordOf('{}', rest)).rejected).toEqual(['missing_field@0']);
  });

  it('in structured mode is so by its content type, whatever the other headers say', () => {
    const headers = { ...HEADERS, 'content-type': 'application/cloudevents+json' };
    const record = recordOf(JSON.stringify({ ...envelope, id: 'other', data: DATA }), headers);
    expect(decoded(record).rows[0]?.id).toBe(
      decoded(recordOf(JSON.stringify({ ...flat, event_id: 'other' }))).rows[0]?.id,
    );
  });

  it('with a percent sign that encodes nothing is taken as it is', () => {
    expect(
      decoded(recordOf('{"voucher_code":"x"}', { ...HEADERS, 'ce-region': '100%' })).rows[0]?.region,
    ).toBe('100%');
  });
});

describe('one part of a message', () => {
  const text = (id: string) => `{ "event_id":"${id}","n":820982911946154508}`;

  it('is its bytes as they came', () => {
    const list = recordOf(`\ufeff [${text('a')} , ${text('ü')}]`);
    expect(Buffer.from(rawOf(list, 1) ?? []).toString()).toBe(text('ü'));
    expect(rawOf(list, 2)).toBeUndefined();
    const lines = recordOf(`${text('a')}\r\n\n${text('b')}`, { 'content-type': 'application/ndjson' });
    expect(Buffer.from(rawOf(lines, 1) ?? []).toString()).toBe(text('b'));
    expect(Buffer.from(rawOf(recordOf(` ${text('a')}\n`), 0) ?? []).toString()).toBe(text('a'));
    expect(rawOf(recordOf('[1,'), 0)).toBeUndefined();
  });

  /** As a user sees it. */
  const flatPart = (message: Parameters<typeof rawOf>[0], part: number): unknown => {
    const bytes = rawOf(message, part);
    const parsed = bytes === undefined ? undefined : valueOfPart(message, bytes);
    return parsed?.ok === true ? flatten(parsed.value) : undefined;
  };

  it('is the flat event with every digit', () => {
    const value = flatPart(recordOf(`[1,${text('a')}]`), 1);
    expect(exactJsonText(value)).toBe('{"event_id":"a","n":820982911946154508}');
    expect(flatPart(recordOf('{'), 0)).toBeUndefined();
  });

  it('of a binary CloudEvent is the event with its attributes', () => {
    const record = recordOf(JSON.stringify(DATA), HEADERS);
    expect(flatPart(record, 0)).toEqual(flat);
    const { data, header } = record;
    expect(flatPart({ data, header }, 0)).toMatchObject({ event_id: 'Café-1', amount: 7 });
  });

  it('that is no CloudEvent comes back as it is', () => {
    expect(flatten([1])).toEqual([1]);
    expect(flatten({ specversion: 1, a: 2 })).toEqual({ specversion: 1, a: 2 });
  });
});
