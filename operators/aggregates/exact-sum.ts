/** A sum of integers that is exact at any size: a number while it is safe, a bigint beyond. */
export type ExactSum = number | bigint;

/** Adds exactly; comes back to a number when the result fits one. */
export function addExact(a: ExactSum, b: ExactSum): ExactSum {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt(a) + BigInt(b));
}

/** The same value as a number where that is exact. */
export function narrow(value: bigint): ExactSum {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}
