export { csvLines } from '../../connectors/index.ts';
export { type RowFormat, type RowText, rowText } from './row-text.ts';
export type { AnswerTable, Cell, Column, ColumnType } from './table.ts';
export {
  isText,
  openTableFile,
  TABLE_FORMATS,
  type TableFileWriter,
  type TableFormat,
  type TableSink,
} from './table-file.ts';
