/** A positive decimal as a fraction; undefined for anything else. */
export function parseDecimal(
  text: string,
): { readonly numerator: bigint; readonly denominator: bigint } | undefined {
  const match = /^\+?(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const numerator = BigInt(whole + fraction);
  const scale = Number(exponent) - fraction.length;
  if (numerator === 0n) return undefined;
  return {
    numerator: scale > 0 ? numerator * 10n ** BigInt(scale) : numerator,
    denominator: scale < 0 ? 10n ** BigInt(-scale) : 1n,
  };
}
