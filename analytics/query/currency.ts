/** ISO 4217 minor units other than 2 (list one of the standard, as of 2025). */
const EXPONENTS: ReadonlyMap<string, number> = new Map([
  ...['BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND'].map(
    (code) => [code, 0] as const,
  ),
  ...['VUV', 'XAF', 'XOF', 'XPF'].map((code) => [code, 0] as const),
  ...['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'].map((code) => [code, 3] as const),
  ...['CLF', 'UYW'].map((code) => [code, 4] as const),
]);

/**
 * How many decimals a currency's major unit has; 2 for codes that the standard does not list.
 * Not from Intl: its digits are those of everyday display (HUF, IDR and COP 0, IQD 0 instead of 3).
 */
export function minorUnitExponent(currency: string): number {
  return EXPONENTS.get(currency) ?? 2;
}
