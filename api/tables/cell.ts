import { minorUnitExponent } from '../../analytics/index.ts';

/** A value of a file: a text, or JSON that is ready (a number, a payload). null: there is none. */
export type Cell = string | boolean | null | { readonly number: string } | { readonly json: string };

/** What the values of a column are; `money` is a decimal of the major unit, `time` RFC 3339. */
export type ColumnType = 'text' | 'time' | 'integer' | 'number' | 'money' | 'boolean' | 'json';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** An answer as a table: each row has a cell for each column. */
export interface AnswerTable {
  readonly columns: readonly Column[];
  readonly rows: Iterable<readonly Cell[]>;
}

/** Minor units as a decimal of the currency's major unit; two decimals where there is no currency. */
export function majorUnits(minor: number | bigint | null, currency: string): Cell {
  if (minor === null) return null;
  const digits = minorUnitExponent(currency);
  if (typeof minor === 'number' && !Number.isInteger(minor)) return { number: String(minor / 10 ** digits) };
  const value = BigInt(minor);
  const text = String(value < 0n ? -value : value).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const fraction = digits === 0 ? '' : `.${text.slice(-digits)}`;
  return { number: `${value < 0n ? '-' : ''}${whole}${fraction}` };
}
