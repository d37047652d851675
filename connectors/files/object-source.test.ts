import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue, SourceRecord } from '../intake/index.ts';
import { linesOf } from './lines.ts';
import { type FoundObject, type ObjectFolder, ObjectSource } from './object-source.ts';
import { SeenObjects } from './seen-objects.ts';

const CHOICE = { format: 'auto', delimiter: ',' } as const;

/** Files in memory, served in pieces of some bytes. */
class MemoryFolder implements ObjectFolder {
  readonly name = 'bucket';
  readonly hasTrueTimes: boolean;
  readonly files = new Map<string, { readonly body: Uint8Array; readonly modified_ms: number }>();
  readonly #piece_bytes: number;

  constructor(hasTrueTimes = true, piece_bytes = 1_000) {
    this.hasTrueTimes = hasTrueTimes;
    this.#piece_bytes = piece_bytes;
  }

  put(key: string, body: string | Uint8Array, modified_ms = 1_000 * this.files.size): void {
    this.files.set(key, { body: Buffer.from(body), modified_ms });
  }

  async *list(): AsyncGenerator<FoundObject> {
    for (const [key, { body, modified_ms }] of this.files) {
      yield { key, version: `v${body.length}`, modified_ms };
    }
  }

  async open({ key }: FoundObject): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { body } = this.files.get(key) ?? {};
    return body === undefined ? undefined : pieces(body, this.#piece_bytes);
  }

  async close(): Promise<void> {}
}

async function* pieces(body: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

interface Reading {
  readonly records: SourceRecord[];
  position: JsonValue | undefined;
}

/** Reads until so many files are done, or so many batches came. */
async function readFiles(
  folder: ObjectFolder,
  {
    position,
    files,
    batches = Number.POSITIVE_INFINITY,
  }: { position?: JsonValue; files: number; batches?: number },
): Promise<Reading> {
  const source = new ObjectSource({ folder, choice: CHOICE, interval_ms: 1 });
  const stop = new AbortController();
  const reading: Reading = { records: [], position };
  let count = 0;
  for await (const batch of source.read(position, stop.signal)) {
    reading.records.push(...batch.records);
    reading.position = batch.position;
    const { seen } = batch.position as unknown as { seen: { versions: string[] } };
    if (++count >= batches || seen.versions.length >= files) break;
  }
  stop.abort();
  return reading;
}

const texts = ({ records }: Reading): string[] => records.map(({ value }) => Buffer.from(value).toString());
const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `{"n":${from + at}}`);

describe('files that come', () => {
  it('are read the oldest first, each version once, and from the line on', async () => {
    const folder = new MemoryFolder();
    folder.put('b.ndjson', lines(0, 1_300).join('\n'), 1_000);
    folder.put('a.jsonl.gz', gzipSync(`${lines(1_300, 1_310).join('\r\n')}\r\n\r\n`), 2_000);
    folder.put('readme.txt', 'no records');
    const begun = await readFiles(folder, { files: 2, batches: 2 });
    expect(begun.records).toHaveLength(1_000);
    expect(begun.records[999]?.place).toBe(
      `bucket/b.ndjson@v${folder.files.get('b.ndjson')?.body.length}#1000`,
    );
    const rest = await readFiles(folder, { position: begun.position as JsonValue, files: 2 });
    expect([...texts(begun), ...texts(rest)]).toEqual(lines(0, 1_310));
    folder.put('a.jsonl.gz', gzipSync('{"n":"new"}'), 3_000);
    expect(texts(await readFiles(folder, { position: rest.position as JsonValue, files: 3 }))).toEqual([
      '{"n":"new"}',
    ]);
  });

  it('give what can be read of a file that is broken, and say what is not', async () => {
    const folder = new MemoryFolder();
    folder.put('a.ndjson.gz', gzipSync(lines(0, 9).join('\n')).subarray(0, 20));
    folder.put('b.csv', 'id,total\n1,2.50\n2\n3,"4\n');
    folder.put('c.parquet', 'nonsense');
    folder.put('d.ndjson', `{"n":1}\n${'x'.repeat(1_000_001)}\n{"n":2}`);
    const { records } = await readFiles(folder, { files: 4 });
    expect(records.map(({ place, problem }) => [place.split('@')[0], problem?.code])).toEqual([
      // Whole lines before the cut.
      ['bucket/a.ndjson.gz', undefined],
      ['bucket/a.ndjson.gz', 'file_unreadable'],
      ['bucket/b.csv', undefined],
      ['bucket/b.csv', 'malformed_csv'],
      ['bucket/b.csv', 'malformed_csv'],
      ['bucket/c.parquet', 'file_unreadable'],
      ['bucket/d.ndjson', undefined],
      ['bucket/d.ndjson', 'too_large'],
      ['bucket/d.ndjson', undefined],
    ]);
  });

  it('may be CSV: rows by the names of the first, with quotes, marks and empty cells', async () => {
    const folder = new MemoryFolder(true, 3);
    folder.put('a.csv', '\ufeffid,note,total\r\n1,"said ""yes"",\nand went",2.50\r\n2,,7\r\n');
    expect(texts(await readFiles(folder, { files: 1 })).map((text) => JSON.parse(text))).toEqual([
      { id: '1', note: 'said "yes",\nand went', total: '2.50' },
      { id: '2', total: '7' },
    ]);
  });

  it('may be Parquet: decimals and long integers with all their digits', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-parquet-'));
    try {
      const path = join(dir, 'a.parquet');
      const duckdb = await (await DuckDBInstance.create()).connect();
      await duckdb.run(
        `COPY (SELECT i AS id, (i * 1.15)::DECIMAL(12, 2) AS total, 9007199254740993::BIGINT AS long,
           TIMESTAMP '2025-03-10 10:00:00' AS at, 'x' AS name FROM range(12000) t(i)) TO '${path}' (FORMAT parquet)`,
      );
      const folder = new MemoryFolder();
      folder.put('a.parquet', await readFile(path));
      const rows = texts(await readFiles(folder, { files: 1 })).map((text) => JSON.parse(text));
      expect(rows).toHaveLength(12_000);
      expect(rows[101]).toEqual({
        ...{ id: 101, total: '116.15', long: '9007199254740993', at: '2025-03-10T10:00:00.000Z', name: 'x' },
      });
      const cents = rows.reduce((sum, { total }) => sum + Number(String(total).replace('.', '')), 0);
      expect(cents).toBe((11_999 * 12_000 * 115) / 2);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('lines', () => {
  it('are what lies between line feeds, whatever the pieces', async () => {
    const text = fc.array(
      fc.string({ unit: 'grapheme' }).map((part) => part.replaceAll(/[\r\n\ufeff]/g, ' ')),
    );
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), async (expected, size) => {
        const found: string[] = [];
        const body = Buffer.from(expected.map((line) => `${line}\n`).join(''));
        for await (const { bytes } of linesOf(pieces(body, size))) found.push(Buffer.from(bytes).toString());
        expect(found).toEqual(expected.map((line) => Buffer.from(line).toString()));
      }),
      { seed: 7, numRuns: 100 },
    );
  });
});

describe('what was read', () => {
  const object = (at: number, modified_ms: number): FoundObject => ({
    key: `k${at}`,
    version: 'v',
    modified_ms,
  });

  it('is remembered for a day behind the newest, and older than that counts as read', () => {
    const seen = new SeenObjects(undefined, true);
    const day_ms = 86_400_000;
    for (let at = 0; at < 20_000; at++) seen.add(object(at, at * 60_000));
    expect(JSON.stringify(seen.toJson()).length).toBeLessThan(50_000);
    const again = new SeenObjects(JSON.parse(JSON.stringify(seen.toJson())), true);
    for (const at of [0, 5_000, 18_600, 19_999])
      expect(again.has(object(at, at * 60_000)), `${at}`).toBe(true);
    expect(again.has(object(-1, 19_000 * 60_000))).toBe(false);
    expect(again.has(object(-1, 19_999 * 60_000 - 2 * day_ms))).toBe(true);
  });

  it('is bounded where many come at once, and where times say nothing', () => {
    const seen = new SeenObjects(undefined, true);
    for (let at = 0; at < 9_000; at++) seen.add(object(at, Math.floor(at / 500) * 1_000));
    expect(JSON.stringify(seen.toJson()).length).toBeLessThan(150_000);
    for (let at = 0; at < 9_000; at += 100)
      expect(seen.has(object(at, Math.floor(at / 500) * 1_000))).toBe(true);
    const folder = new SeenObjects(undefined, false);
    expect(() => {
      for (let at = 0; at < 7_000; at++) folder.add(object(at, 0));
    }).toThrow(/Move away/);
  });
});
