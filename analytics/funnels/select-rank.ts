const DIGIT_BITS = 12;
const DIGITS = 1 << DIGIT_BITS;
/** So many are sorted. */
const FEW = 2_048;

/**
 * The values of some ranks (from 1, ascending, at most 255) among whole numbers that are not negative. Values are counted by their
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
  const wanted = wantedDigits(counts, ranks);
  gather(values, digits, wanted);
  return wanted.flatMap(({ values: own, ranks: within }) => selectRanks(own, within));
}

/** Values of a digit, and which ranks among them are wanted. */
interface WantedDigit {
  readonly digit: number;
  readonly values: Float64Array;
  readonly ranks: readonly number[];
}

function wantedDigits(counts: Uint32Array, ranks: readonly number[]): WantedDigit[] {
  const wanted: WantedDigit[] = [];
  let digit = 0;
  let before = 0;
  for (let at = 0; at < ranks.length; ) {
    while (before + (counts[digit] as number) < (ranks[at] as number)) before += counts[digit++] as number;
    const count = counts[digit] as number;
    const end = ranks.findLastIndex((rank) => rank <= before + count) + 1;
    const within = ranks.slice(at, end).map((rank) => rank - before);
    wanted.push({ digit, values: new Float64Array(count), ranks: within });
    at = end;
  }
  return wanted;
}

/** In one pass. */
function gather(values: Float64Array, digits: Uint16Array, wanted: readonly WantedDigit[]): void {
  const places = new Uint8Array(DIGITS);
  for (const [at, { digit }] of wanted.entries()) places[digit] = at + 1;
  const taken = new Uint32Array(wanted.length);
  for (let at = 0; at < values.length; at++) {
    const place = places[digits[at] as number] as number;
    if (place === 0) continue;
    const own = (wanted[place - 1] as WantedDigit).values;
    own[taken[place - 1] as number] = values[at] as number;
    taken[place - 1] = (taken[place - 1] as number) + 1;
  }
}
