import { describe, expect, it } from 'vitest';
import {
  ByteWriter,
  defineOperator,
  type KvView,
  META_TABLE,
  mapTable,
  rawTable,
  schemaKey,
  stringCodec,
  stringKey,
  topology,
} from '../../engine/index.ts';
import { decodedRows, decodeRow, shapesOf, type TableShape } from './rows.ts';

const text = (value: string): Uint8Array => Buffer.from(value);
const tables = () => ({
  names: mapTable<string, string>({ key: stringKey, value: stringCodec, version: 1 }),
  plain: rawTable({ version: 1 }),
  described: rawTable({
    version: 1,
    describeRow: ({ key, value }) => ({ scope: 's', key: key.length, value: value.length }),
  }),
});
const keep = defineOperator<never, never, undefined, ReturnType<typeof tables>>({
  kind: 'keep',
  summary: 'Keeps',
  state: tables,
  start: () => ({ onBatch: () => {} }),
});
const shapeOf = shapesOf(
  topology('t', (t) => {
    t.source('in').pipe(keep('keep', undefined) as never);
  }),
);
const decode = (table: string, key: Uint8Array, value: Uint8Array) =>
  decodeRow(shapeOf(table), { key, value });

describe('rows of the state, for people', () => {
  it('are read by the codecs of their table, or as their operator says', () => {
    const key = new ByteWriter().orderedString('acme').orderedString('k').copy();
    expect(decode('keep/names', key, new ByteWriter().string('v').copy())).toEqual({
      scope: 'acme',
      key: 'k',
      value: 'v',
    });
    expect(decode('keep/described', text('abc'), text('de'))).toEqual({ scope: 's', key: 3, value: 2 });
    const timer = new ByteWriter().u48(1_000).orderedString('k').copy();
    expect(decode('keep/timers', timer, text(''))).toEqual({
      key: 'k',
      value: { time: '1970-01-01T00:00:01.000Z' },
    });
  });

  it('are found by the scope that they show, whatever their key begins with', () => {
    const shape: TableShape = {
      kind: 'raw',
      describeRow: ({ key, value }) => ({
        scope: Buffer.from(value).toString(),
        key: key[0] ?? -1,
        value: null,
      }),
    };
    const entries = ['acme', 'other', 'acme'].map((scope, n) => ({
      key: Uint8Array.of(n),
      value: text(scope),
    }));
    const view: KvView = { get: () => undefined, scan: () => entries };
    expect([...decodedRows(shape, view, 'acme')].map(({ key }) => key)).toEqual([0, 2]);
    expect([...decodedRows(shape, view)].map(({ key }) => key)).toEqual([0, 1, 2]);
  });

  it('show text and JSON as such where nobody says more, and bytes as hex', () => {
    expect(decode('keep/plain', text('a\0b\0'), text('{"n":1}'))).toEqual({ key: 'a/b', value: { n: 1 } });
    expect(decode('keep/plain', new Uint8Array(3), Uint8Array.of(255))).toEqual({
      key: '000000',
      value: { hex: 'ff' },
    });
    expect(decode('gone/rows', text('a'), text('{no'))).toEqual({ key: 'a', value: { hex: '7b6e6f' } });
  });

  it('of the engine say what they are', () => {
    const notice = new ByteWriter().orderedString('notice').orderedString('acme').orderedString('late');
    expect(decode(META_TABLE, notice.u32(7).copy(), text('{"kind":"late"}'))).toEqual({
      key: 'notice/acme/late/7',
      value: { kind: 'late' },
    });
    expect(decode(META_TABLE, schemaKey('keep/names'), Uint8Array.of(3))).toEqual({
      key: 'schema/keep/names',
      value: { version: 3 },
    });
    expect(decode('outbox', new ByteWriter().u48(5).copy(), Uint8Array.of(1))).toMatchObject({ key: 5 });
  });
});
