import { describe, expect, it } from 'vitest';
import { decoding, recordOf } from './fixture-columns.ts';

const CUSTOM = ['carrier', 'label', 'tier'];
const PATHS = {
  acme: { carrier: ['delivery', 'carrier'], label: ['tags', 1] },
  other: { carrier: ['parcel', 0, 'by'] },
};
const decode = decoding({ custom: CUSTOM, paths: PATHS });

/** The dimensions of an event of `acme`, read quickly, and read carefully because of an escape. */
function dimensionsOf(members: object): unknown {
  const text = JSON.stringify({
    ...{ event_id: 'e', type: 'visit', time: '2025-08-01T10:00:00Z', source: 'abc' },
    ...members,
  });
  const of = (written: string): unknown => {
    const { rows, rejected } = decode(recordOf(written));
    expect(rejected).toEqual([]);
    return CUSTOM.map((name) => rows[0]?.[name]);
  };
  const quick = of(text);
  expect(of(text.replace('"abc"', '"\\u0061bc"'))).toEqual(quick);
  return quick;
}

describe('dimensions that lie deeper', () => {
  it('are read where they lie, of the event or of its data, and nowhere else', () => {
    expect(dimensionsOf({ data: { delivery: { carrier: 'dhl' }, tags: ['a', 'b'], tier: 'gold' } })).toEqual([
      ...['dhl', 'b', 'gold'],
    ]);
    expect(dimensionsOf({ delivery: { carrier: 'ups' }, tags: ['a', 7] })).toEqual(['ups', '7', '']);
    // The event's own goes before that of its data.
    expect(dimensionsOf({ delivery: { carrier: 'own' }, data: { delivery: { carrier: 'data' } } })).toEqual([
      'own',
      '',
      '',
    ]);
    // What has the dimension's name is another member.
    expect(dimensionsOf({ carrier: 'x', data: { label: 'y' } })).toEqual(['', '', '']);
  });

  it('are none where there is no scalar', () => {
    for (const delivery of [null, 'dhl', 5, [], [{ carrier: 'dhl' }], { carrier: null }, { carrier: {} }]) {
      expect(dimensionsOf({ data: { delivery } }), JSON.stringify(delivery)).toEqual(['', '', '']);
    }
    const long = { delivery: { carrier: 'x'.repeat(129) }, tags: { 1: 'b' } };
    expect(dimensionsOf({ data: long })).toEqual(['', '', '']);
    expect(dimensionsOf({ data: { delivery: { carrier: true }, tags: [0, '820982911946154508'] } })).toEqual([
      ...['true', '820982911946154508', ''],
    ]);
  });

  it('keep all digits, take the last of two, and are those of a CloudEvent as well', () => {
    const event = '{"event_id":"e","type":"visit","time":"2025-08-01T10:00:00Z","data":';
    const one = decode(recordOf(`${event}{"tags":[1,820982911946154508]}}`));
    expect(one.rows[0]?.label).toBe('820982911946154508');
    const twice = decode(recordOf(`${event}{"delivery":{"carrier":"a"},"delivery":{"carrier":"b"}}}`));
    expect(twice.rows[0]?.carrier).toBe('b');
    const cloud = {
      ...{ specversion: '1.0', id: 'e', source: 's', type: 'visit', time: '2025-08-01T10:00:00Z' },
      data: { delivery: { carrier: 'dhl' } },
    };
    expect(decode(recordOf(JSON.stringify(cloud))).rows[0]?.carrier).toBe('dhl');
  });

  it('are those of the tenant', () => {
    const event = {
      ...{ event_id: 'e', type: 'visit', time: '2025-08-01T10:00:00Z', carrier: 'name' },
      data: { delivery: { carrier: 'deep' }, parcel: [{ by: 'other' }] },
    };
    const record = (tenant: string) => recordOf(JSON.stringify(event), {}, `events.${tenant}.x`);
    const { rows } = decode(record('acme'), record('other'), record('third'), record('acme'));
    expect(rows.map(({ carrier }) => carrier)).toEqual(['deep', 'other', 'name', 'deep']);
  });
});
