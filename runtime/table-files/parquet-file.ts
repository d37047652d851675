import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { Cell, Column, ColumnType } from './table.ts';
import type { TableSink } from './table-file.ts';
import type { TableEncoder } from './thread-messages.ts';

/** Rows of a row group: held in memory until it is written, while everything else in the thread waits. */
const GROUP_ROWS = 10_000;
/** Text of a row group, characters: payloads can be long. */
const GROUP_MAX_CHARS = 8 * 1024 * 1024;

/** Digits behind the point of a column of money: those of the currency with the most. */
export const MONEY_SCALE = 4;
const MONEY_PRECISION = 38;
const MONEY_BYTES = 16;

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

const ELEMENTS: Record<ColumnType, Omit<SchemaElement, 'name'>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  json: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  time: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
  integer: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
  money: {
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: MONEY_BYTES,
    converted_type: 'DECIMAL',
    scale: MONEY_SCALE,
    precision: MONEY_PRECISION,
  },
};

/**
 * Writes a table as Apache Parquet (format 2.x, Snappy): a row group at a time, so that memory does not grow with the
 * rows. Times are UTC milliseconds, money is DECIMAL(38, 4) in major units, texts are UTF-8.
 */
export class ParquetFile implements TableEncoder {
  readonly #columns: readonly Column[];
  readonly #sink: TableSink;
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;
  #values: unknown[][];
  #chars = 0;

  constructor(columns: readonly Column[], sink: TableSink) {
    this.#columns = columns;
    this.#sink = sink;
    this.#values = columns.map(() => []);
    const leaves = columns.map(
      ({ name, type }): SchemaElement => ({ name, ...ELEMENTS[type], repetition_type: 'OPTIONAL' }),
    );
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: [{ name: 'root', num_children: columns.length }, ...leaves],
      createdBy: 'millrace',
    });
  }

  async write(cells: readonly Cell[]): Promise<void> {
    for (const [at, { type }] of this.#columns.entries()) {
      const value = cellValue(cells[at] ?? null, type);
      if (typeof value === 'string') this.#chars += value.length;
      this.#values[at]?.push(value);
    }
    const rows = this.#values[0]?.length ?? 0;
    if (rows >= GROUP_ROWS || this.#chars >= GROUP_MAX_CHARS) await this.#writeGroup();
  }

  async finish(): Promise<void> {
    await this.#writeGroup();
    await this.#writer.finish();
    await this.#drain();
  }

  async #writeGroup(): Promise<void> {
    const rows = this.#values[0]?.length ?? 0;
    if (rows === 0) return;
    const columnData = this.#columns.map(({ name, type }, at) => ({
      ...{ name, data: this.#values[at] ?? [] },
      // Nobody looks for payloads by their order.
      statistics: type !== 'json',
    }));
    this.#values = this.#columns.map(() => []);
    this.#chars = 0;
    await this.#writer.write({ columnData, rowGroupSize: rows });
    await this.#drain();
  }

  async #drain(): Promise<void> {
    // The library's offsets go on; only what lies in its buffer is handed over.
    const { buffer, index } = this.#bytes;
    await this.#sink.write(new Uint8Array(buffer.slice(0, index)));
    this.#bytes.index = 0;
  }
}

function cellValue(cell: Cell, type: ColumnType): unknown {
  if (cell === null) return null;
  if (typeof cell === 'boolean') return type === 'boolean' ? cell : String(cell);
  const text = typeof cell === 'string' ? cell : 'number' in cell ? cell.number : cell.json;
  switch (type) {
    case 'time':
      return timeValue(Date.parse(text));
    case 'integer':
      return BigInt(text);
    case 'number':
      return Number(text);
    case 'money':
      return scaled(text);
    case 'boolean':
      return text === 'true';
    default:
      return text;
  }
}

const timeValue = (time_ms: number): bigint | null => (Number.isNaN(time_ms) ? null : BigInt(time_ms));

/** A decimal as a whole number of its MONEY_SCALE-th places; further ones are rounded half away from zero. */
function scaled(text: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return BigInt(Math.round(Number(text) * 10 ** MONEY_SCALE));
  const [, sign, whole = '0', fraction = ''] = match;
  const digits = fraction.padEnd(MONEY_SCALE + 1, '0');
  const value = BigInt(whole + digits.slice(0, MONEY_SCALE)) + (digits.charAt(MONEY_SCALE) >= '5' ? 1n : 0n);
  return sign === '-' ? -value : value;
}
