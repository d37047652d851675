import { minorUnitExponent } from '../../analytics/index.ts';
import type { Cell } from '../../runtime/index.ts';

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
