import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isLong } from '../../test/long.ts';
import { ByteReader, intCodec, stringCodec, stringKey, trustedJsonCodec, uintKey } from '../base/index.ts';
import { META_TABLE } from '../task/index.ts';
import { STORE_KINDS, StoreFixture } from './fixture-stores.ts';
import { decodeRow } from './migration.ts';
import { schemaKey } from './schema-version.ts';
import { openLmdbReader } from './store-lmdb.ts';
import { mapTable } from './table-specs.ts';
import { openTables } from './tables.ts';
import type { Ttl } from './ttl.ts';

const fixture = new StoreFixture();
afterEach(() => fixture.close());

const ttl: Ttl = { retain_ms: 3 * 86_400_000 };
const texts = mapTable<string, string>({ key: stringKey, value: stringCodec, version: 1, ttl });
const lengths = (migrate: (text: string, from: number) => number) =>
  mapTable<string, number>({
    key: stringKey,
    value: intCodec,
    version: 2,
    ttl,
    migrate: (bytes, from) => migrate(new ByteReader(bytes).string(), from),
  });

describe.each(STORE_KINDS)('a migration on the %s store', (kind) => {
  /** More rows than a batch has, keys of any length, and values larger than a batch. */
  function filled() {
    const { store, reopen } = fixture.open(kind);
    const table = openTables(store, 'op', { rows: texts }).rows;
    const wanted = new Map<string, number>();
    for (let row = 0; row < 2_500; row++) {
      const key = row % 500 === 0 ? `${'long '.repeat(row)}${row}` : `${row}`;
      const text = 'x'.repeat(row % 600 === 1 ? 1_200_000 + row : row);
      table.scope(`s${row % 3}`).set(key, text);
      wanted.set(`s${row % 3} ${key}`, text.length);
    }
    store.transaction(() => table.flush(10 * 86_400_000));
    return { store, wanted, reopen };
  }

  it('turns each row once, whatever its size, and leaves its time to live', async () => {
    const { wanted, reopen } = filled();
    const store = await reopen();
    const before = [...store.table('op/rows').scan()].map(({ value }) => [...value.subarray(0, 2)].join());
    const from: number[] = [];
    const spec = lengths((text, version) => {
      from.push(version);
      return text.length;
    });
    const { rows } = openTables(store, 'op', { rows: spec });
    expect([from.length, new Set(from)]).toEqual([wanted.size, new Set([1])]);
    const found = ['s0', 's1', 's2'].flatMap((name) =>
      rows
        .scope(name)
        .entries()
        .map(([key, length]) => [`${name} ${key}`, length] as const),
    );
    expect(new Map(found)).toEqual(wanted);
    expect([...store.table('op/rows').scan()].map(({ value }) => [...value.subarray(0, 2)].join())).toEqual(
      before,
    );
  });

  it('leaves everything as it was where a row cannot be turned', async () => {
    const { wanted, reopen } = filled();
    const store = await reopen();
    let left = 2_000;
    const failing = lengths((text) => {
      if (--left === 0) throw new Error('cannot be turned');
      return text.length;
    });
    expect(() => openTables(store, 'op', { rows: failing })).toThrow('cannot be turned');
    const { rows } = openTables(store, 'op', { rows: texts });
    const found = ['s0', 's1', 's2'].flatMap((name) => rows.scope(name).entries());
    expect(found.length).toBe(wanted.size);
    expect(found.every(([, text]) => /^x*$/.test(text))).toBe(true);
  });
});

describe('a migration', () => {
  interface Total {
    readonly cents: number;
  }
  const totals = (version: number, migrate?: (bytes: Uint8Array, from: number) => Total) =>
    mapTable<number, Total>({
      ...{ key: uintKey, value: trustedJsonCodec<Total>(), version },
      ...(migrate === undefined ? {} : { migrate }),
    });
  function filled() {
    const { store } = fixture.open('memory');
    const table = openTables(store, 'shop', { totals: totals(1) }).totals;
    for (const [scope, key, cents] of [
      ['', 7, 100_000],
      ['eu', 8, 200],
      ['eu', 9, 300],
    ] as const) {
      table.scope(scope).set(key, { cents });
    }
    store.transaction(() => table.flush(0));
    return store;
  }

  it('reads the bytes of before with the codec of before', () => {
    const spec = totals(2, (bytes) => {
      const { cents } = decodeRow(trustedJsonCodec<Total>(), bytes);
      return { cents: cents + 1 };
    });
    const { totals: next } = openTables(filled(), 'shop', { totals: spec });
    expect(next.scope('eu').entries()).toEqual([
      [8, { cents: 201 }],
      [9, { cents: 301 }],
    ]);
  });

  it.each([
    ['that is no JSON text', (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()), 'JSON', '7'],
    ['of another codec', (bytes: Uint8Array) => ({ cents: decodeRow(intCodec, bytes) }), 'read 1 of', '7'],
    [
      'that it throws something on',
      (bytes: Uint8Array) => {
        const total = decodeRow(trustedJsonCodec<Total>(), bytes);
        if (total.cents === 200) throw 'two hundred';
        return total;
      },
      'two hundred',
      '8 of "eu"',
    ],
    ['of which it makes nothing', () => undefined as unknown as Total, 'undefined', '7'],
  ])('of a row %s fails by name, and changes nothing', (_, migrate, why, row) => {
    const store = filled();
    const open = () => openTables(store, 'shop', { totals: totals(2, migrate) });
    expect(open).toThrow(expect.objectContaining({ code: 'migration_failed', operator: 'shop' }));
    for (const said of ['"shop/totals"', 'version 1 to 2', `the row ${row}:`, why, 'Nothing is changed']) {
      expect(open).toThrow(said);
    }
    const { totals: same } = openTables(store, 'shop', { totals: totals(1) });
    expect([same.scope('').get(7), same.scope('eu').get(8)]).toEqual([{ cents: 100_000 }, { cents: 200 }]);
  });
});

describe('a migration of 300,000 rows', () => {
  const CHILD = resolve(import.meta.dirname, '../../dist/engine/state/fixture-migration.js');
  const ROWS = isLong ? 300_000 : 60_000;
  const MAX_HELD_BYTES = 8 * 1_048_576;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-migration-'));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What the process says; killed as soon as it says `half`. */
  const child = (...given: string[]): Promise<string> =>
    new Promise((resolve) => {
      const process_ = spawn(process.execPath, [CHILD, folder, ...given], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      process_.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said === 'half\n') process_.kill('SIGKILL');
      });
      process_.on('close', () => resolve(said));
    });

  const stored = async (): Promise<{ version: number; rows: number; sample: Uint8Array }> => {
    const reader = openLmdbReader(folder);
    try {
      return reader.snapshot((table) => {
        let rows = 0;
        let sample = new Uint8Array(0);
        for (const { value } of table('op/notes').scan()) {
          if (rows++ === 0) sample = Uint8Array.from(value);
        }
        const version = table(META_TABLE).get(schemaKey('op/notes')) ?? new Uint8Array(0);
        return { version: new ByteReader(version).varint(), rows, sample };
      });
    } finally {
      await reader.close();
    }
  };

  it('is whole or not at all when the process is killed in it, and takes little memory', async () => {
    await child('fill', String(ROWS));
    const before = await stored();
    expect(before).toMatchObject({ version: 1, rows: ROWS });
    expect(await child('migrate', String(ROWS / 2))).toBe('half\n');
    expect(await stored()).toEqual(before);
    const done = JSON.parse(await child('migrate', '0')) as { migrated: number; held_bytes: number };
    expect(done.migrated).toBe(ROWS);
    expect(done.held_bytes).toBeLessThan(MAX_HELD_BYTES);
    expect(await stored()).toMatchObject({ version: 2, rows: ROWS });
  }, 300_000);
});
