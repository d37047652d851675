const DIGIT_BITS = 12;
const DIGITS = 1 << DIGIT_BITS;
/** So many are sorted. */
const FEW = 2_048;

/**
 * The values of some ranks (from 1, ascending) among whole numbers that are not negative. Values are counted by their
 * first bits, and only those that share these with a wanted one are looked at again: two passes over them, where to sort
 * takes about as many as their number has bits.
 */
export function selectRanks(values: Float64Array, ranks: readonly number[]): number[] {
  if (values.length <= FEW) {
    const sorted = values.toSorted();
    return ranks.map((rank) => sorted[rank - 1] as number);
  }
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min === max) return ranks.map(() => min);
  // The least and the greatest value have different digits, so each turn has fewer values than the one before.
  const scale = (DIGITS - 1) / (max - min);
  const digits = new Uint16Array(values.length);
  const counts = new Uint32Array(DIGITS);
  for (let at = 0; at < values.length; at++) {
    const digit = (((values[at] as number) - min) * scale) | 0;
    digits[at] = digit;
    counts[digit] = (counts[digit] as number) + 1;
  }
  const found: number[] = [];
  let digit = 0;
  let before = 0;
  for (let at = 0; at < ranks.length; ) {
    while (before + (counts[digit] as number) < (ranks[at] as number)) before += counts[digit++] as number;
    const own = valuesOf(values, digits, digit, counts[digit] as number);
    const end = ranks.findLastIndex((rank) => rank <= before + own.length) + 1;
    found.push(
      ...selectRanks(
        own,
        ranks.slice(at, end).map((rank) => rank - before),
      ),
    );
    at = end;
  }
  return found;
}

function valuesOf(values: Float64Array, digits: Uint16Array, digit: number, count: number): Float64Array {
  const own = new Float64Array(count);
  let taken = 0;
  for (let at = 0; taken < count; at++) if (digits[at] === digit) own[taken++] = values[at] as number;
  return own;
}
