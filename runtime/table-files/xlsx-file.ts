import { PassThrough } from 'node:stream';
import ExcelJS from 'exceljs';
import type { Cell, Column, ColumnType } from './table.ts';
import type { TableSink } from './table-file.ts';
import type { TableEncoder } from './thread-messages.ts';

/** Rows of a sheet, its head included: the format has no more. */
const SHEET_ROWS = 1_048_576;
/** Characters of a cell: the format has no more. */
const CELL_MAX_CHARS = 32_767;
/** Digits that a number of the format holds exactly. */
const EXACT_DIGITS = 15;

const FORMATS: Partial<Record<ColumnType, string>> = {
  time: 'yyyy-mm-dd hh:mm:ss',
  money: '#,##0.00##',
};

/**
 * Writes a table as an Office Open XML workbook, row by row: numbers, booleans and times (in UTC) are typed cells, texts
 * are texts, whatever they begin with. A table of more rows than a sheet has goes on in the next sheet.
 */
export class XlsxFile implements TableEncoder {
  readonly #columns: readonly Column[];
  readonly #stream = new PassThrough();
  readonly #book: ExcelJS.stream.xlsx.WorkbookWriter;
  readonly #copied: Promise<void>;
  #sheet: ExcelJS.Worksheet | undefined;
  #sheets = 0;
  #rows = 0;

  constructor(columns: readonly Column[], sink: TableSink) {
    this.#columns = columns;
    this.#book = new ExcelJS.stream.xlsx.WorkbookWriter({ stream: this.#stream, useStyles: true });
    this.#copied = copy(this.#stream, sink);
    // Whoever writes or finishes hears of it.
    this.#copied.catch(() => {});
  }

  async write(cells: readonly Cell[]): Promise<void> {
    if (this.#sheet === undefined || this.#rows >= SHEET_ROWS) this.#begin();
    const values = this.#columns.map(({ type }, at) => cellValue(cells[at] ?? null, type));
    this.#sheet?.addRow(values).commit();
    this.#rows++;
    if (this.#stream.writableNeedDrain) await this.#drained();
  }

  async finish(): Promise<void> {
    if (this.#sheet === undefined) this.#begin();
    this.#sheet?.commit();
    await Promise.race([this.#book.commit(), this.#copied]);
    await this.#copied;
  }

  #begin(): void {
    this.#sheet?.commit();
    this.#sheets++;
    const name = this.#sheets === 1 ? 'Sheet1' : `Sheet${this.#sheets}`;
    const sheet = this.#book.addWorksheet(name, { views: [{ state: 'frozen', ySplit: 1 }] });
    sheet.columns = this.#columns.map((column) => {
      const numFmt = FORMATS[column.type];
      return { header: column.name, width: 16, ...(numFmt === undefined ? {} : { style: { numFmt } }) };
    });
    sheet.getRow(1).commit();
    this.#sheet = sheet;
    this.#rows = 1;
  }

  async #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.#stream.once('drain', resolve));
    await Promise.race([drained, this.#copied]);
  }
}

async function copy(stream: PassThrough, sink: TableSink): Promise<void> {
  for await (const chunk of stream) await sink.write(chunk as Uint8Array);
}

function cellValue(cell: Cell, type: ColumnType): ExcelJS.CellValue {
  if (cell === null || typeof cell === 'boolean') return cell;
  const text = typeof cell === 'string' ? cell : 'number' in cell ? cell.number : cell.json;
  if (type === 'time') {
    const time_ms = Date.parse(text);
    return Number.isNaN(time_ms) ? text : new Date(time_ms);
  }
  if (typeof cell !== 'string' && 'number' in cell) {
    // What a spreadsheet would round stays a text, with all its digits.
    return cell.number.replace(/[-.]/g, '').replace(/^0+/, '').length > EXACT_DIGITS && type !== 'number'
      ? cell.number
      : Number(cell.number);
  }
  return text.length > CELL_MAX_CHARS ? `${text.slice(0, CELL_MAX_CHARS - 1)}…` : text;
}
