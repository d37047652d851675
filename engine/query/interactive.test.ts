import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { stringCodec, stringKey, trustedJsonCodec, uintKey } from '../base/index.ts';
import {
  type KvReader,
  type KvStore,
  MapTable,
  MemoryDisk,
  mapTable,
  openLmdbReader,
  openLmdbStore,
  openTables,
} from '../state/index.ts';
import { META_TABLE, type Progress, readProgress, writeProgress } from '../task/index.ts';
import {
  type FailedAnswer,
  type KeyAnswer,
  MAX_QUERY_ROWS,
  positionOf,
  type QueryableTable,
  queryTable,
  type RowsAnswer,
  type WindowRangeAnswer,
  type WindowsAnswer,
} from './interactive.ts';
import { tableRowCodec, windowRow, windowRowKey } from './interactive-layout.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Opened {
  readonly store: KvStore;
  readonly reader: KvReader;
  readonly path: string;
}

function openMemory(): Opened {
  const disk = new MemoryDisk();
  return { store: disk.open(), reader: disk.reader(), path: '' };
}

function openLmdb(): Opened {
  const path = mkdtempSync(join(tmpdir(), 'millrace-query-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  const store = openLmdbStore(path, { durable: false });
  cleanups.push(() => store.close());
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  cleanups.push(() => reader.close());
  return { store, reader, path };
}

const SPECS = {
  rows: mapTable({ key: stringKey, value: tableRowCodec(stringCodec), version: 3 }),
  windows: mapTable({ key: windowRowKey, value: stringCodec, version: 1 }),
  state: mapTable({ key: stringKey, value: stringCodec, version: 1 }),
  numbers: mapTable({ key: uintKey, value: stringCodec, version: 1 }),
};

/** An operator named `op` that commits rows. */
class Writer {
  readonly tables: ReturnType<typeof openTables<typeof SPECS>>;
  readonly #store: KvStore;
  #sequence = 0;

  constructor(store: KvStore) {
    this.#store = store;
    this.tables = openTables(store, 'op', SPECS);
  }

  row(key: string, value: string | undefined): void {
    this.tables.rows.scope('').set(key, { time_ms: 1, value });
  }

  window(key: string, start_ms: number, value: string): void {
    const row = windowRow({ key, start_ms, end_ms: start_ms + 10 });
    this.tables.windows.scope('').set(row, value);
  }

  commit(): number {
    this.#sequence += 10;
    const progress: Progress = {
      commit: this.#sequence / 10,
      stream: 'ORDERS',
      incarnation: 'i',
      partition: '0',
      sequence: this.#sequence,
      watermark_ms: this.#sequence * 1_000,
      committed_at_ms: 0,
      head: 0,
      outbox_next: 0,
      notices: {},
    };
    this.#store.transaction(() => {
      for (const table of Object.values(this.tables)) if (table instanceof MapTable) table.flush(0);
      writeProgress(this.#store.table(META_TABLE), progress);
    });
    return this.#sequence;
  }
}

const ROWS: QueryableTable<string> = { id: 'op/rows', codec: stringCodec };
const WINDOWS: QueryableTable<string> = { id: 'op/windows', codec: stringCodec };

describe.each([
  ['memory', openMemory],
  ['lmdb', openLmdb],
])('queries on %s', (_, open) => {
  it('answer from one commit, with its position and watermark', () => {
    const { store, reader } = open();
    const writer = new Writer(store);
    writer.row('a', '1');
    writer.commit();
    writer.row('a', '2');
    const query = { kind: 'key', key: 'a' } as const;
    expect(queryTable(reader, ROWS, query)).toEqual({
      ok: true,
      value: '1',
      position: { ORDERS: { '0': 10 } },
      watermark_ms: 10_000,
    });
    writer.commit();
    expect(queryTable(reader, ROWS, query)).toMatchObject({ value: '2', position: { ORDERS: { '0': 20 } } });
    expect(queryTable(reader, ROWS, { kind: 'key', key: 'b' })).toMatchObject({ ok: true, value: undefined });
  });

  it('ranges and prefixes are those of sorting, page by page', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '漢', '\0'), maxLength: 3 });
    fc.assert(
      fc.property(
        fc.uniqueArray(text, { maxLength: 12 }),
        fc.uniqueArray(text, { maxLength: 3 }),
        fc.option(text, { nil: undefined }),
        fc.option(text, { nil: undefined }),
        fc.integer({ min: 1, max: 4 }),
        (keys, deleted, from, to, limit) => {
          const { store, reader } = openMemory();
          const writer = new Writer(store);
          for (const key of keys) writer.row(key, `v${key}`);
          for (const key of deleted) writer.row(key, undefined);
          writer.tables.rows.scope('other').set('a', { time_ms: 1, value: 'of another scope' });
          writer.commit();
          const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
          const live = keys.filter((key) => !deleted.includes(key)).sort(order);
          const bounds = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
          const inRange = live.filter(
            (key) =>
              (from === undefined || order(key, from) >= 0) && (to === undefined || order(key, to) < 0),
          );
          const found: string[] = [];
          let next: { from?: string } = bounds;
          for (;;) {
            const page = queryTable(reader, ROWS, { kind: 'range', ...bounds, ...next, limit });
            if (!page.ok) throw new Error(page.message);
            expect(page.values.length).toBeLessThanOrEqual(limit);
            for (const { key, value } of page.values) expect(value).toBe(`v${key}`);
            found.push(...page.values.map(({ key }) => key));
            if (page.next === undefined) break;
            next = { from: page.next };
          }
          expect(found).toEqual(inRange);
          const prefix = from ?? '';
          const answer = queryTable(reader, ROWS, { kind: 'prefix', prefix, limit: 100 });
          if (!answer.ok) throw new Error(answer.message);
          expect(answer.values.map(({ key }) => key)).toEqual(live.filter((key) => key.startsWith(prefix)));
        },
      ),
    );
  });

  it('a range may be empty or upside down', () => {
    const { store, reader } = open();
    const writer = new Writer(store);
    for (const key of ['a', 'b', 'c']) writer.row(key, key);
    writer.commit();
    const range = (from: string, to: string) =>
      queryTable(reader, ROWS, { kind: 'range', from, to, limit: 9 });
    expect(range('c', 'a')).toMatchObject({ ok: true, values: [] });
    expect(range('b', 'b')).toMatchObject({ ok: true, values: [] });
    expect(range('b', 'c')).toMatchObject({ ok: true, values: [{ key: 'b', value: 'b' }], next: undefined });
  });

  it('read any map table with string keys too, by scope', () => {
    const { store, reader } = open();
    const writer = new Writer(store);
    writer.tables.state.scope('acme').set('k', 'v');
    writer.commit();
    const table = { id: 'op/state', codec: stringCodec, scope: 'acme' };
    expect(queryTable(reader, table, { kind: 'key', key: 'k' })).toMatchObject({ ok: true, value: 'v' });
    expect(queryTable(reader, { ...table, scope: '' }, { kind: 'range', limit: 9 })).toMatchObject({
      values: [],
    });
  });

  it('wait for nobody: what is not applied yet is a typed failure', () => {
    const { store, reader } = open();
    const query = { kind: 'key', key: 'a' } as const;
    const bound = (sequence: number) => ({ position: { ORDERS: { '0': sequence } } });
    expect(queryTable(reader, ROWS, query, bound(1))).toMatchObject({
      reason: 'not_up_to_bound',
      position: undefined,
    });
    const writer = new Writer(store);
    writer.row('a', '1');
    const sequence = writer.commit();
    expect(queryTable(reader, ROWS, query, bound(sequence))).toMatchObject({ ok: true });
    expect(queryTable(reader, ROWS, query, bound(sequence + 1))).toEqual({
      ok: false,
      reason: 'not_up_to_bound',
      message: 'Stream "ORDERS", partition 0 has been applied up to 10, the query asks for 11.',
      position: { ORDERS: { '0': 10 } },
    });
    const twice = { ...(readProgress(store.table(META_TABLE)) as Progress), others: {} };
    const slower = { ...twice, sequence: 7 };
    // Two sources read one stream: it has been applied as far as both have.
    expect(positionOf({ ...twice, others: { slower } })).toEqual({ ORDERS: { '0': 7 } });
    expect(positionOf({ ...slower, others: { faster: twice } })).toEqual({ ORDERS: { '0': 7 } });
    // Another task's business.
    const elsewhere = { position: { ORDERS: { '1': 99 }, OTHER: { '0': 99 } } };
    expect(queryTable(reader, ROWS, query, elsewhere)).toMatchObject({ ok: true });
  });

  it('name what is wrong with a query', () => {
    const { store, reader } = open();
    const reasonOf = (table: string | QueryableTable<string>, query: unknown): string => {
      const answer = queryTable(reader, table, query as { kind: 'key'; key: string });
      return answer.ok ? 'ok' : answer.reason;
    };
    const key = { kind: 'key', key: 'a' };
    expect(reasonOf('op', key)).toBe('no_such_table');
    const writer = new Writer(store);
    writer.row('a', 'no JSON');
    writer.tables.numbers.scope('').set(1, 'x');
    writer.commit();
    expect(reasonOf('nobody', key)).toBe('no_such_table');
    expect(reasonOf('op/nothing', key)).toBe('no_such_table');
    expect(reasonOf({ id: 'op', codec: stringCodec }, key)).toBe('ok');
    expect(reasonOf(ROWS, { kind: 'window', key: 'a', start_ms: 0, end_ms: 1 })).toBe('unknown_query');
    expect(reasonOf(WINDOWS, key)).toBe('unknown_query');
    expect(reasonOf(ROWS, { kind: 'median' })).toBe('unknown_query');
    for (const limit of [0, -1, 1.5, MAX_QUERY_ROWS + 1, '5'])
      expect(reasonOf(ROWS, { kind: 'range', limit })).toBe('bad_query');
    expect(reasonOf(ROWS, { kind: 'range' })).toBe('bad_query');
    expect(reasonOf(ROWS, { kind: 'key', key: 5 })).toBe('bad_query');
    expect(reasonOf(ROWS, { kind: 'key' })).toBe('bad_query');
    expect(reasonOf(WINDOWS, { kind: 'window', key: 'a', start_ms: -1, end_ms: 1 })).toBe('bad_query');
    for (const query of [null, undefined, 'key', 5]) expect(reasonOf(ROWS, query)).toBe('bad_query');
    const all = { kind: 'windows', start_ms: 0, end_ms: 1, limit: 9 };
    expect([reasonOf(WINDOWS, all), reasonOf(ROWS, all)]).toEqual(['ok', 'unknown_query']);
    for (const query of [
      { kind: 'window', key: 'a', start_ms: 0, end_ms: 1, first_end_ms: null },
      ...[{ limit: undefined }, { end_ms: -1 }, { from: null }, { from: 'a' }].map((odd) => ({
        ...all,
        ...odd,
      })),
      { ...all, from: { key: 5, start_ms: 0, end_ms: 1 } },
      { ...all, from: { key: 'a', start_ms: 0 } },
    ]) {
      expect(reasonOf(WINDOWS, query)).toBe('bad_query');
    }
    for (const position of [
      5,
      { ORDERS: null },
      { ORDERS: { '0': '10' } },
      { ORDERS: { '0': Number.NaN } },
    ]) {
      const answer = queryTable(reader, ROWS, { kind: 'key', key: 'b' }, { position: position as never });
      expect(answer).toMatchObject({ ok: false, reason: 'bad_query' });
    }
    expect(reasonOf('op/rows', key)).toBe('wrong_codec');
    expect(reasonOf({ ...ROWS, version: 2 }, key)).toBe('wrong_codec');
    expect(reasonOf({ ...ROWS, version: 3 }, key)).toBe('ok');
    expect(reasonOf({ id: 'op/numbers', codec: stringCodec }, { kind: 'range', limit: 5 })).toBe(
      'wrong_codec',
    );
  });
});

describe('queries', () => {
  it('have answers of the type of the query', () => {
    const ask = (reader: KvReader) => ({
      key: queryTable(reader, ROWS, { kind: 'key', key: 'a' }),
      range: queryTable(reader, ROWS, { kind: 'range', limit: 1 }),
      window: queryTable(reader, WINDOWS, { kind: 'window', key: 'a', start_ms: 0, end_ms: 1 }),
      windows: queryTable(reader, WINDOWS, { kind: 'windows', start_ms: 0, end_ms: 1, limit: 1 }),
      untyped: queryTable(reader, 'op', { kind: 'key', key: 'a' }),
    });
    type Answers = ReturnType<typeof ask>;
    expectTypeOf<Answers['key']>().toEqualTypeOf<FailedAnswer | KeyAnswer<string>>();
    expectTypeOf<Answers['range']>().toEqualTypeOf<FailedAnswer | RowsAnswer<string>>();
    expectTypeOf<Answers['window']>().toEqualTypeOf<FailedAnswer | WindowsAnswer<string>>();
    expectTypeOf<Answers['windows']>().toEqualTypeOf<FailedAnswer | WindowRangeAnswer<string>>();
    expectTypeOf<Answers['untyped']>().toEqualTypeOf<FailedAnswer | KeyAnswer<unknown>>();
  });

  it('are answered in another process, commit by commit', async () => {
    const { store, path } = openLmdb();
    const tables = openTables(store, 'op', {
      rows: mapTable({ key: stringKey, value: tableRowCodec(trustedJsonCodec<unknown>()), version: 1 }),
    });
    tables.rows.scope('').set('a', { time_ms: undefined, value: { total: 5 } });
    store.transaction(() => {
      tables.rows.flush(0);
      const progress = { stream: 'S', partition: '0', sequence: 7, watermark_ms: null } as Progress;
      writeProgress(store.table(META_TABLE), progress);
    });
    const script = resolve(import.meta.dirname, '../../dist/engine/query/fixture-query.js');
    const args = [script, path, 'op', JSON.stringify({ kind: 'key', key: 'a' })];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      value: { total: 5 },
      position: { S: { '0': 7 } },
      watermark_ms: null,
    });
  });
});
