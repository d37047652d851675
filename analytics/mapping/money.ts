import { minorUnitExponent } from '../query/index.ts';
import { MappingError } from './mapping-error.ts';

const DECIMAL = /^([+-]?)(\d{1,16})(?:\.(\d{1,20}))?$/;

/**
 * Decimal text of major units as an integer of minor units, exact: `12.5` EUR is 1250, `500` JPY is 500. Decimals that
 * the currency does not have are refused unless they are zeros: rounding would make sums that the source does not have.
 * @throws MappingError
 */
export function minorUnits(field: string, text: string, currency: string, exponent?: number): number {
  const match = DECIMAL.exec(text);
  if (match === null) throw new MappingError(field, `${JSON.stringify(text)} is not a decimal number`);
  const [, sign = '', whole = '', fraction = ''] = match;
  const decimals = exponent ?? minorUnitExponent(currency);
  if (/[^0]/.test(fraction.slice(decimals)))
    throw new MappingError(field, `${text} has more decimals than ${currency}, which has ${decimals}`);
  return safe(field, BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, '0')), sign === '-');
}

/**
 * An integer of the source's minor units as one of ISO 4217's, where the source has its own decimals for the currency.
 * @throws MappingError
 */
export function fromMinorUnits(field: string, text: string, currency: string, exponent: number): number {
  const match = /^(-?)(\d{1,16})$/.exec(text);
  if (match === null) throw new MappingError(field, `${JSON.stringify(text)} is not an integer`);
  const [, sign = '', digits = ''] = match;
  const shift = minorUnitExponent(currency) - exponent;
  const scale = 10n ** BigInt(Math.abs(shift));
  const units = BigInt(digits);
  if (shift < 0 && units % scale !== 0n)
    throw new MappingError(field, `${text} is no whole number of minor units of ${currency}`);
  return safe(field, shift < 0 ? units / scale : units * scale, sign === '-');
}

function safe(field: string, units: bigint, negative: boolean): number {
  if (units > BigInt(Number.MAX_SAFE_INTEGER))
    throw new MappingError(field, 'is more than 2^53-1 minor units');
  // Not -0: the fast path of the decoder refuses it.
  return negative && units !== 0n ? -Number(units) : Number(units);
}
