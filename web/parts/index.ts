export { type Action, Form, useAction } from './action.tsx';
export { type Bar, Bars } from './bars.tsx';
export { Chart } from './chart.tsx';
export { LINE_COLOURS, type Series } from './chart-options.ts';
export { Confirm, ConfirmOne, Dialog } from './dialog.tsx';
export { type Sheet, saveCsv } from './download.ts';
export { Area, Check, Fields, Input, type Options, Select } from './field.tsx';
export { Figure } from './figure.tsx';
export {
  currencyDigits,
  formatAge,
  formatBucket,
  formatBytes,
  formatChange,
  formatRate,
  formatTime,
  formatValue,
  money,
  type Unit,
} from './format.ts';
export { JsonForm } from './json-form.tsx';
export { type Reserve, reservedHeight } from './kept-height.ts';
export { Link } from './link.tsx';
export { LiveSign } from './live-sign.tsx';
export { Menu } from './menu.tsx';
export { NameDialog } from './name-dialog.tsx';
export { Badge, Copyable, Empty, Problem } from './notes.tsx';
export { type Column, sheetOf, Table } from './table.tsx';
export { Tile, Waiting } from './tile.tsx';
export { useWidth } from './width.ts';
