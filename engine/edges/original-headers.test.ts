import { describe, expect, it } from 'vitest';
import { originalHeaders } from './original-headers.ts';
import type { SourceRecord } from './source.ts';

const record = (...headers: (readonly [string, string])[]): SourceRecord => ({
  sequence: 1,
  subject: 's',
  data: new Uint8Array(0),
  hasHeaders: headers.length > 0,
  header: () => undefined,
  headers: () => headers,
});

describe('originalHeaders', () => {
  it('keeps names, values and their order, in ASCII', () => {
    const given = [
      ['ce-id', '1'],
      ['Nats-Msg-Id', 'x'],
      ['Ce-Subject', 'naïve "€" \u{1f600}'],
      ['ce-id', '2'],
    ] as const;
    const { 'Original-Headers': text = '', ...others } = originalHeaders(record(...given));
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(text)).toEqual([given[0], given[2], given[3]]);
    expect(others).toEqual({});
  });

  it('says how many found no room', () => {
    const { 'Original-Headers': text = '', 'Original-Headers-Omitted': omitted } = originalHeaders(
      record(['a', '1'], ['large', 'x'.repeat(9_000)], ['b', '2']),
    );
    expect([JSON.parse(text), omitted]).toEqual([[['a', '1']], '2']);
  });

  it('is nothing for a record without headers, and for a source that does not give them', () => {
    const { headers: _, ...bare } = record();
    expect([originalHeaders(record()), originalHeaders(bare)]).toEqual([{}, {}]);
  });
});
