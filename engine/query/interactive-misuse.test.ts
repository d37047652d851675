import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { type Codec, stringCodec, stringKey } from '../base/index.ts';
import type { TopologyDescription } from '../graph/index.ts';
import { type KvReader, MAX_KEY_BYTES, mapTable, openTables } from '../state/index.ts';
import { META_TABLE, upgradeTopology, writeTopology } from '../task/index.ts';
import { asked, QUERIED_STORES, QueriedWriter, ROWS, WINDOWS } from './fixture-interactive.ts';
import { type QueryableTable, queryTable, type TableQuery } from './interactive.ts';
import { tableRowCodec } from './interactive-layout.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

const REASONS = ['not_up_to_bound', 'no_such_table', 'unknown_query', 'bad_query', 'wrong_codec'];
const KEY = { kind: 'key', key: 'a' } as const;

/** The reason and message of what is asked against its types, or "ok". */
function told(reader: KvReader, table: unknown, query: unknown, options?: unknown): string {
  const answer = queryTable(reader, table as string, query as TableQuery, options as object);
  return answer.ok ? 'ok' : `${answer.reason}: ${answer.message}`;
}

const STATE = { kind: 'map', version: 1 };

function topologyOf(...kinds: readonly (readonly [name: string, kind: string])[]): TopologyDescription {
  const nodes = kinds.map(([name, kind]) => ({
    name,
    kind,
    summary: '',
    inputs: [],
    state: { rows: STATE },
  }));
  return { name: 't', nodes };
}

describe.each(Object.entries(QUERIED_STORES))('misuse of queries on %s', (_, open) => {
  const filled = () => {
    const queried = open();
    opened.push(queried);
    const writer = new QueriedWriter(queried.store);
    for (const key of ['a', 'b', 'c']) {
      writer.row(key, key);
      for (const start_ms of [1, 2, 3]) writer.window({ key, start_ms, end_ms: start_ms + 1 }, key);
    }
    writer.commit();
    return { ...queried, writer };
  };

  it('is an answer with the reason and what is wrong, whatever the types say', () => {
    const { reader } = filled();
    const range = { kind: 'range', limit: 9 };
    const window = { kind: 'window', key: 'a', start_ms: 0, end_ms: 9 };
    const windows = { kind: 'windows', start_ms: 0, end_ms: 9, limit: 9 };
    const cases: readonly (readonly [table: unknown, query: unknown, expected: RegExp, options?: unknown])[] =
      [
        ...[null, undefined, 5, true].map((table) => [table, KEY, /bad_query: A table is/] as const),
        [{}, KEY, /bad_query: The "id"/],
        [{ id: 5 }, KEY, /bad_query: The "id"/],
        [{ id: ['op'] }, KEY, /bad_query: The "id"/],
        [{ ...ROWS, scope: 5 }, KEY, /bad_query: The "scope"/],
        [{ ...ROWS, scope: null }, KEY, /bad_query: The "scope"/],
        ...[Number.NaN, 0.5, '1', null].map(
          (version) => [{ ...ROWS, version }, KEY, /bad_query: The "version"/] as const,
        ),
        [{ ...ROWS, version: 2 }, KEY, /wrong_codec: Table "op\/rows" has schema version 1, not 2/],
        [{ ...ROWS, codec: {} }, KEY, /wrong_codec/],
        ...['', '/', 'op/', 'meta', 'op/rows/', 'op/rows/rows', '.long-keys', 'x'.repeat(5_000)].map(
          (id) => [id, KEY, /no_such_table/] as const,
        ),
        [ROWS, { kind: { toString: 1, valueOf: 1 } }, /unknown_query: .* not what has no kind/],
        [ROWS, { kind: Symbol('key') }, /unknown_query/],
        [ROWS, { kind: 'toString' }, /unknown_query: .* not "toString"/],
        [ROWS, [], /unknown_query/],
        [ROWS, { ...KEY, key: null }, /bad_query: "key" must be a string/],
        [ROWS, { ...range, from: null }, /bad_query: "from"/],
        [ROWS, { ...range, to: 5 }, /bad_query: "to"/],
        [ROWS, { kind: 'prefix', prefix: 'a', to: 5, limit: 1 }, /bad_query: "to"/],
        [ROWS, { ...range, from: undefined, to: undefined }, /^ok/],
        ...[
          0,
          -0,
          -1,
          0.5,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          1e300,
          10_001,
          '9',
          null,
          undefined,
          9n,
        ].map(
          (limit) => [ROWS, { ...range, limit }, /bad_query: The limit must be 1 to 10000 rows/] as const,
        ),
        [WINDOWS, { ...window, limit: null }, /bad_query: The limit/],
        ...[null, 1, 'true', {}].map(
          (reverse) => [ROWS, { ...range, reverse }, /bad_query: "reverse" must be true or false/] as const,
        ),
        ...[-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 48, '0', null, undefined].flatMap(
          (time) =>
            [
              [WINDOWS, { ...window, start_ms: time }, /bad_query: "start_ms" must be whole ms/],
              [WINDOWS, { ...windows, end_ms: time }, /bad_query: "end_ms" must be whole ms/],
              [
                WINDOWS,
                { ...windows, to: { key: 'a', start_ms: 1, end_ms: time } },
                /bad_query: "to" must be a w/,
              ],
            ] as const,
        ),
        [WINDOWS, { ...window, first_end_ms: -1 }, /bad_query: "first_end_ms"/],
        [WINDOWS, { ...window, before_end_ms: null }, /bad_query: "before_end_ms"/],
        [WINDOWS, { ...windows, from: 'a' }, /bad_query: "from" must be a window/],
        [WINDOWS, { ...windows, start_ms: 9, end_ms: 0 }, /^ok/],
        [ROWS, KEY, /bad_query: Options/, null],
        ...[
          null,
          [],
          [[1]],
          'S',
          { S: [1] },
          { S: { '0': 0.5 } },
          { S: { '0': Number.POSITIVE_INFINITY } },
        ].map((position) => [ROWS, KEY, /bad_query: A position/, { position }] as const),
        [ROWS, KEY, /not_up_to_bound/, { position: { S: { '0': 1e300 } } }],
        [ROWS, KEY, /^ok/, { position: { S: { '0': -5 }, toString: {}, constructor: { name: 5 } } }],
        [ROWS, KEY, /^ok/, { position: undefined }],
        // A slip of the pen must not hold back nothing.
        [ROWS, KEY, /bad_query: The position names T; this state is of S/, { position: { T: { '0': 1 } } }],
        [ROWS, KEY, /^ok/, { position: { T: { '0': 1 }, S: { '0': 0 } } }],
      ];
    for (const [table, query, expected, options] of cases) {
      expect(told(reader, table, query, options)).toMatch(expected);
    }
  });

  it('never is an exception', () => {
    const { reader } = filled();
    const thing = fc.anything({ withNullPrototype: true, withBigInt: true, maxDepth: 2 });
    const kind = fc.constantFrom('key', 'range', 'prefix', 'window', 'windows');
    const member = fc.constantFrom('a', '\0', 0, 5, 2 ** 48 - 1, true, { key: 'a', start_ms: 0, end_ms: 1 });
    const names = ['key', 'from', 'to', 'prefix', 'start_ms', 'end_ms', 'limit', 'reverse', 'before_end_ms'];
    const members = fc.dictionary(fc.constantFrom(...names), fc.oneof(member, thing), {
      noNullPrototype: true,
    });
    const query = fc.oneof(
      fc.tuple(kind, members).map(([of, others]) => ({ ...others, kind: of })),
      thing,
    );
    const table = fc.oneof(fc.constantFrom<unknown>('op', 'op/windows', ROWS, WINDOWS), thing);
    const options = fc.oneof(fc.constant({}), fc.record({ position: thing }), thing);
    fc.assert(
      fc.property(table, query, options, (of, asks, as) => {
        expect(['ok', ...REASONS]).toContain(told(reader, of, asks, as).split(':')[0]);
      }),
      { numRuns: 500 },
    );
  });

  it('takes keys of any length and text', () => {
    const { reader, writer } = filled();
    const keys = [
      '',
      '\0',
      '\ud83d',
      '\ude00\ud83d',
      'k'.repeat(MAX_KEY_BYTES - 10),
      'k'.repeat(MAX_KEY_BYTES + 9),
    ];
    for (const key of keys) expect(asked(reader, ROWS, { kind: 'key', key }).value).toBeUndefined();
    for (const key of keys.slice(0, -1)) writer.row(key, `v${key.length}`);
    writer.commit();
    for (const key of keys.slice(0, -1)) {
      expect(asked(reader, ROWS, { kind: 'key', key }).value).toBe(`v${key.length}`);
      const range = { kind: 'range', from: key, limit: 1 } as const;
      expect(asked(reader, ROWS, range).values).toEqual([{ key, value: `v${key.length}` }]);
    }
  });

  it('is told from a fault of the store, which is thrown', () => {
    const { reader } = filled();
    const faulty: KvReader = {
      ...reader,
      snapshot: (work) =>
        reader.snapshot((table) =>
          work((name) => ({
            get: (key) => table(name).get(key),
            scan: () => {
              throw new Error('the disk is gone');
            },
          })),
        ),
    };
    expect(() => queryTable(faulty, ROWS, { kind: 'range', limit: 1 })).toThrow('the disk is gone');
    const refusing: Codec<string> = {
      ...stringCodec,
      read: () => {
        throw new Error('not mine');
      },
    };
    const answer = queryTable(reader, { ...ROWS, codec: refusing }, { kind: 'range', limit: 1 });
    expect(answer).toMatchObject({ reason: 'wrong_codec', message: expect.stringContaining('not mine') });
  });

  it('is no misreading of a table that only has the name of another layout', () => {
    const { store, reader } = open();
    const specs = { rows: mapTable({ key: stringKey, value: stringCodec, version: 1 }) };
    const tables = { own: openTables(store, 'own', specs), nested: openTables(store, 'a/b', specs) };
    const rowSpecs = { rows: mapTable({ key: stringKey, value: tableRowCodec(stringCodec), version: 1 }) };
    const known = openTables(store, 'known', rowSpecs);
    const windows = { windows: mapTable({ key: stringKey, value: stringCodec, version: 1 }) };
    const mine = openTables(store, 'mine', windows);
    // As a row of another layout these bytes say that there is no value.
    tables.own.rows.scope('').set('k', '');
    tables.nested.rows.scope('').set('k', 'nested');
    known.rows.scope('').set('k', { time_ms: 1, value: 'known' });
    mine.windows.scope('').set('k', 'mine');
    const writer = new QueriedWriter(store);
    writer.commit(() => {
      for (const table of [tables.own.rows, tables.nested.rows, known.rows, mine.windows]) table.flush(0);
      const kinds = [
        ['own', 'custom'],
        ['a/b', 'custom'],
        ['known', 'to-table'],
        ['mine', 'custom'],
      ] as const;
      writeTopology(store.table(META_TABLE), topologyOf(...kinds));
    });
    const read = (id: string): unknown => {
      const table: QueryableTable<string> = { id, codec: stringCodec };
      return asked(reader, table, { kind: 'key', key: 'k' }).value;
    };
    expect(['own', 'a/b', 'a/b/rows', 'known', 'mine'].map(read)).toEqual([
      ...['', 'nested', 'nested', 'known', 'mine'],
    ]);
    const all = { kind: 'windows', start_ms: 0, end_ms: 1, limit: 1 } as const;
    expect(told(reader, 'mine', all)).toMatch(/unknown_query: .* answers key, range and prefix/);
  });

  it('is told of an operator that was given up', () => {
    const { store, reader } = filled();
    const table: QueryableTable<string> = { id: 'gone', codec: stringCodec };
    const gone = openTables(store, 'gone', {
      rows: mapTable({ key: stringKey, value: stringCodec, version: 1 }),
    });
    gone.rows.scope('').set('b', '1');
    store.transaction(() => {
      gone.rows.flush(0);
      writeTopology(store.table(META_TABLE), topologyOf(['gone', 'custom']));
    });
    expect(told(reader, table, KEY)).toMatch(/^ok/);
    upgradeTopology(store, topologyOf(), true);
    expect(told(reader, table, KEY)).toMatch(/no_such_table/);
  });
});

describe('a query of an lmdb store', () => {
  it('sees one commit, whatever is committed while it reads', () => {
    const { store, reader, close } = QUERIED_STORES.lmdb();
    opened.push({ close });
    const writer = new QueriedWriter(store);
    let commits = 0;
    const commit = (): void => {
      commits++;
      for (const key of ['a', 'b', 'c']) {
        writer.row(key, `of ${commits}`);
        for (let start_ms = 0; start_ms < 20; start_ms++) {
          writer.window({ key, start_ms, end_ms: 99 }, `of ${commits}`);
        }
      }
      writer.commit();
    };
    commit();
    const committing: Codec<string> = {
      ...stringCodec,
      read: (bytes) => {
        const value = stringCodec.read(bytes);
        // A writer in another thread or process comes in between here.
        commit();
        return value;
      },
    };
    for (const reverse of [false, true]) {
      const rows = { kind: 'range', limit: 9, reverse } as const;
      const read = asked(reader, { ...ROWS, codec: committing }, rows);
      const before = commits - 3;
      expect(read.position).toEqual({ S: { '0': before } });
      expect(read.values.map(({ value }) => value)).toEqual(Array(3).fill(`of ${before}`));
      // With jumps from one window of each key to that of the next.
      const windows = { kind: 'windows', start_ms: 10, end_ms: 11, limit: 9, reverse } as const;
      const found = asked(reader, { ...WINDOWS, codec: committing }, windows);
      expect(found.position).toEqual({ S: { '0': commits - 3 } });
      expect(found.values.map(({ value }) => value)).toEqual(Array(3).fill(`of ${commits - 3}`));
    }
  });
});
