import type { Cell } from './table.ts';

export type RowFormat = 'ndjson' | 'csv';

/** A row as a line of a file, and the line above all rows, '' where there is none. */
export interface RowText {
  readonly media_type: string;
  readonly head: string;
  line(cells: readonly Cell[]): string;
}

export function rowText(format: RowFormat, columns: readonly string[]): RowText {
  if (format === 'csv') {
    return {
      media_type: 'text/csv; charset=utf-8',
      head: csvLine(columns),
      line: csvLine,
    };
  }
  const names = columns.map((name) => `${JSON.stringify(name)}:`);
  return {
    media_type: 'application/x-ndjson',
    head: '',
    line: (cells) => `{${cells.map((cell, at) => names[at] + jsonOf(cell)).join(',')}}\n`,
  };
}

/** Line breaks in JSON that is ready stand between its tokens only: a text has them escaped. */
const BREAKS = /[\r\n]+/g;

function jsonOf(cell: Cell): string {
  if (cell === null || typeof cell !== 'object') return JSON.stringify(cell);
  return 'number' in cell ? cell.number : cell.json.replace(BREAKS, ' ');
}

/** RFC 4180. */
function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
const QUOTED = /[",\r\n]/;

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'boolean') return String(cell);
  if (typeof cell === 'object' && 'number' in cell) return cell.number;
  const value = typeof cell === 'string' ? cell : cell.json;
  const text = FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
