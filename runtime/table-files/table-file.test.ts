import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import ExcelJS from 'exceljs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEncoder } from './encoder.ts';
import type { Cell, Column } from './table.ts';
import { openTableFile, type TableFormat } from './table-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-table-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const COLUMNS: readonly Column[] = [
  { name: 'country', type: 'text' },
  { name: 'time', type: 'time' },
  { name: 'orders', type: 'integer' },
  { name: 'revenue', type: 'money' },
  { name: 'rate', type: 'number' },
  { name: 'incomplete', type: 'boolean' },
];

const number = (value: string): Cell => ({ number: value });

async function write(
  format: TableFormat,
  rows: Iterable<readonly Cell[]>,
  columns = COLUMNS,
): Promise<string> {
  const parts: Buffer[] = [];
  const sink = { write: async (part: Uint8Array | string) => void parts.push(Buffer.from(part)) };
  const writer = await openTableFile(format, columns, sink);
  for (const row of rows) await writer.write(row);
  await writer.finish();
  await writer.close();
  const path = join(folder, `table.${format}`);
  await writeFile(path, Buffer.concat(parts));
  return path;
}

async function ask(sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(sql)).getRowsJson();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

const ROWS: readonly (readonly Cell[])[] = [
  ['DE', '2025-08-01T00:00:00+02:00', number('3'), number('12.30'), number('0.5'), false],
  [null, '2025-08-01T22:00:00Z', number('9007199254740993'), number('-0.07'), null, true],
  ['=1+1', null, null, number('123456789012345.6789'), number('1e-7'), false],
  ['ключ "a", b\n', '2025-08-02T00:00:00.250Z', number('0'), null, number('2'), null],
];

describe('a table as Parquet', () => {
  it('is read by DuckDB with its types, each digit and each null', async () => {
    const path = await write('parquet', ROWS);
    const types = await ask(`DESCRIBE SELECT * FROM '${path}'`);
    expect(types.map((row) => (row as unknown[]).slice(0, 2))).toEqual([
      ['country', 'VARCHAR'],
      ['time', expect.stringMatching(/^TIMESTAMP/)],
      ['orders', 'BIGINT'],
      ['revenue', 'DECIMAL(38,4)'],
      ['rate', 'DOUBLE'],
      ['incomplete', 'BOOLEAN'],
    ]);
    const rows = await ask(
      `SELECT country, epoch_ms(time)::VARCHAR, orders::VARCHAR, revenue::VARCHAR, rate, incomplete FROM '${path}'`,
    );
    expect(rows).toEqual([
      ['DE', String(Date.parse('2025-07-31T22:00:00Z')), '3', '12.3000', 0.5, false],
      [null, String(Date.parse('2025-08-01T22:00:00Z')), '9007199254740993', '-0.0700', null, true],
      ['=1+1', null, null, '123456789012345.6789', 1e-7, false],
      ['ключ "a", b\n', String(Date.parse('2025-08-02T00:00:00.250Z')), '0', null, 2, null],
    ]);
  });

  it('has the sums of its rows over several row groups, and no rows where there are none', async () => {
    const rows = function* (): Generator<readonly Cell[]> {
      for (let at = 0; at < 25_000; at++) {
        yield [`c${at % 7}`, null, number(String(at)), number(`${at}.01`), null, true];
      }
    };
    const path = await write('parquet', rows());
    const sums = await ask(`SELECT count(*), sum(orders)::VARCHAR, sum(revenue)::VARCHAR FROM '${path}'`);
    expect(sums).toEqual([['25000', '312487500', '312487750.0000']]);
    const [groups] = await ask(`SELECT count(DISTINCT row_group_id)::INT FROM parquet_metadata('${path}')`);
    expect(groups).toEqual([3]);
    expect(await ask(`SELECT count(*) FROM '${await write('parquet', [])}'`)).toEqual([['0']]);
  });
});

describe('a table as XLSX', () => {
  it('has typed cells, and texts that no spreadsheet takes for a formula', async () => {
    const book = new ExcelJS.Workbook();
    await book.xlsx.readFile(await write('xlsx', ROWS));
    const [sheet] = book.worksheets;
    const values = [1, 2, 3, 4, 5].map((row) => ((sheet?.getRow(row).values ?? []) as unknown[]).slice(1));
    expect(values[0]).toEqual(COLUMNS.map(({ name }) => name));
    expect(values[1]).toEqual(['DE', new Date('2025-07-31T22:00:00Z'), 3, 12.3, 0.5, false]);
    // Digits that a spreadsheet would round are a text.
    expect(values[2]?.[2]).toBe('9007199254740993');
    expect(values[3]?.[0]).toBe('=1+1');
    expect(sheet?.getCell('A4').type).toBe(ExcelJS.ValueType.String);
    expect(values[4]?.[0]).toBe('ключ "a", b\n');
  });

  it('is a workbook without rows, too', async () => {
    const book = new ExcelJS.Workbook();
    await book.xlsx.readFile(await write('xlsx', []));
    expect(book.worksheets[0]?.rowCount).toBe(1);
  });
});

describe('a table as CSV', () => {
  it('is read by DuckDB with the same sums as Parquet', async () => {
    const sums = 'sum(revenue)::VARCHAR, count(*), min(country)';
    const [csv, parquet] = [await write('csv', ROWS), await write('parquet', ROWS)];
    const types = "types={'revenue': 'DECIMAL(38,4)'}";
    const [ofCsv] = await ask(`SELECT ${sums} FROM read_csv('${csv}', ${types})`);
    const [ofParquet] = await ask(`SELECT ${sums} FROM '${parquet}'`);
    // The guard against formulas is the only difference.
    expect(ofCsv).toEqual([...(ofParquet as unknown[]).slice(0, 2), "'=1+1"]);
  });
});

it('a sink that fails ends the writing, here and in a thread', async () => {
  for (const format of ['csv', 'parquet', 'xlsx'] as const) {
    const sink = { write: () => Promise.reject(new Error('disk full')) };
    const failing = async (rows: number): Promise<void> => {
      const writer = await openTableFile(format, COLUMNS, sink);
      try {
        for (let at = 0; at < rows; at++) await writer.write(ROWS[0] ?? []);
        await writer.finish();
      } finally {
        await writer.close();
      }
    };
    await expect(failing(60_000), format).rejects.toThrow('disk full');
    await expect(failing(1), format).rejects.toThrow('disk full');
  }
});

describe('a table of many rows', () => {
  const MANY = 12_345;
  const rowsOf = function* (): Generator<readonly Cell[]> {
    for (let at = 0; at < MANY; at++)
      yield [
        `\ud83d\ude00 ${at}\n"`,
        '2025-08-02T00:00:00.250Z',
        number(String(at)),
        number('0.01'),
        null,
        true,
      ];
  };

  it('is encoded in a thread, to the bytes that it is encoded to here', async () => {
    const parts: Uint8Array[] = [];
    const sink = { write: async (part: Uint8Array | string) => void parts.push(Buffer.from(part)) };
    const here = await openEncoder('parquet', COLUMNS, sink);
    for (const row of rowsOf()) await here.write(row);
    await here.finish();
    expect((await readFile(await write('parquet', rowsOf()))).equals(Buffer.concat(parts))).toBe(true);
    const book = new ExcelJS.Workbook();
    await book.xlsx.readFile(await write('xlsx', rowsOf()));
    const [sheet] = book.worksheets;
    expect(sheet?.rowCount).toBe(MANY + 1);
    const last = (sheet?.getRow(MANY + 1).values ?? []) as unknown[];
    expect(last.slice(1, 4)).toEqual([
      `\ud83d\ude00 ${MANY - 1}\n"`,
      new Date('2025-08-02T00:00:00.250Z'),
      MANY - 1,
    ]);
  });

  it('that is given up ends its thread, and nothing is written any more', async () => {
    let written = 0;
    const sink = {
      write: async (part: Uint8Array | string) => {
        written += part.length;
      },
    };
    const writer = await openTableFile('xlsx', COLUMNS, sink);
    for (const row of rowsOf()) await writer.write(row);
    await writer.close();
    const before = written;
    await expect(writer.finish()).rejects.toMatchObject({ code: 'table_thread_ended' });
    expect(written).toBe(before);
  });
});
