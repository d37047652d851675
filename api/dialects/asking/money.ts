import { minorUnitExponent } from '../../../analytics/index.ts';

/** Minor units as a number of major ones, with the digits of the currency; 0 and null stay what they are. */
export function decimalOf(minor: number | null | undefined, currency: string | null): number | null {
  if (minor === null || minor === undefined) return null;
  const digits = currency === null ? 2 : minorUnitExponent(currency);
  return Number((minor / 10 ** digits).toFixed(digits));
}

/** (now − before) ÷ |before|; null where before is 0 or one is not known. */
export function growthOf(now: number | null | undefined, before: number | null | undefined): number | null {
  if (now === null || now === undefined || before === null || before === undefined || before === 0)
    return null;
  return (now - before) / Math.abs(before);
}

/** part ÷ whole; null where the whole is 0 or one is not known. */
export function shareOf(part: number | null | undefined, whole: number | null | undefined): number | null {
  if (part === null || part === undefined || whole === null || whole === undefined || whole === 0)
    return null;
  return part / whole;
}
