/** How the credit for a conversion is divided among the touches before it. */
export const TOUCH_METHODS = [
  'first_touch',
  'last_touch',
  'last_non_direct',
  'linear',
  'time_decay',
  'position',
  'shapley',
] as const;
export type TouchMethod = (typeof TOUCH_METHODS)[number];

/** What a weight depends on, of one touch. */
export interface Touch {
  readonly time_ms: number;
  /** Which group it belongs to. */
  readonly key: number;
  /** Neither a campaign nor a channel brought it, or the channel is `direct`. */
  readonly isDirect: boolean;
}

/** 40 % to each end and 20 % to what is between: twice as much to an end. */
const END_TO_BETWEEN = 2;

/**
 * The weight of each touch of a journey, in order of time; there is at least one. They need not add up to 1: whole
 * numbers where the method allows it, so that money is split exactly as they say.
 * - `first_touch`, `last_touch`: all of it to one touch. `last_non_direct`: to the last that is not direct, to the
 *   last of all where every touch is.
 * - `linear`: the same for each.
 * - `time_decay`: half of it for each `halfLife_ms` before the conversion.
 * - `position`: 40 % to the first and to the last, the rest in equal parts to those between; 50 % each for two.
 * - `shapley`: each distinct group of the journey the same, whatever the number of its touches: the Shapley value
 *   of the game in which a set of groups earns the conversions of the journeys that need no other group (a sum of
 *   unanimity games: Shapley, A value for n-person games, 1953).
 */
export function touchWeights(
  method: TouchMethod,
  touches: readonly Touch[],
  conversion_ms: number,
  halfLife_ms: number,
): number[] {
  const last = touches.length - 1;
  const only = (chosen: number): number[] => touches.map((_, at) => (at === chosen ? 1 : 0));
  switch (method) {
    case 'first_touch':
      return only(0);
    case 'last_touch':
      return only(last);
    case 'last_non_direct': {
      const chosen = touches.findLastIndex(({ isDirect }) => !isDirect);
      return only(chosen < 0 ? last : chosen);
    }
    case 'linear':
      return touches.map(() => 1);
    case 'time_decay':
      return touches.map(({ time_ms }) => 2 ** (-(conversion_ms - time_ms) / halfLife_ms));
    case 'position':
      return positionWeights(touches.length);
    case 'shapley': {
      const touchesOf = new Map<number, number>();
      for (const { key } of touches) touchesOf.set(key, (touchesOf.get(key) ?? 0) + 1);
      const common = [...touchesOf.values()].reduce(leastCommonMultiple, 1);
      // Of numbers without a small common multiple the fractions have to do.
      const whole = Number.isSafeInteger(common) ? common : 1;
      return touches.map(({ key }) => whole / (touchesOf.get(key) ?? 1));
    }
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}

function positionWeights(touches: number): number[] {
  const end = touches <= 2 ? 1 : END_TO_BETWEEN * (touches - 2);
  return Array.from({ length: touches }, (_, at) => (at === 0 || at === touches - 1 ? end : 1));
}

/**
 * An integer in parts as the weights say, exactly: rounded toward zero, then the units left over to the largest
 * remainders, the first of equals first (Hamilton's method); by whole weights remainders are exact. Where all weights
 * are 0 each part has the same one.
 */
export function splitExactly(value: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const size = Math.abs(value);
  const shares =
    sum > 0
      ? sharesOf(size, weights, sum)
      : sharesOf(
          size,
          weights.map(() => 1),
          weights.length,
        );
  const order = shares.map((share, at) => ({ at, ...share }));
  order.sort((a, b) => b.remainder - a.remainder || a.at - b.at);
  const parts = shares.map(({ part }) => part);
  let left = size - parts.reduce((all, part) => all + part, 0);
  for (let turn = 0; left > 0; turn++, left--) {
    const { at } = order[turn % order.length] as { readonly at: number };
    parts[at] = (parts[at] as number) + 1;
  }
  return value < 0 ? parts.map((part) => (part === 0 ? 0 : -part)) : parts;
}

interface Share {
  readonly part: number;
  /** Compares with the others'. */
  readonly remainder: number;
}

/** What each weight takes of `size`, rounded down. */
function sharesOf(size: number, weights: readonly number[], sum: number): Share[] {
  if (![...weights, sum].every(Number.isSafeInteger)) {
    return weights.map((weight) => {
      const share = (size * weight) / sum;
      return { part: Math.floor(share), remainder: share - Math.floor(share) };
    });
  }
  return weights.map((weight) => {
    const product = size * weight;
    if (Number.isSafeInteger(product)) return { part: Math.floor(product / sum), remainder: product % sum };
    const [exact, all] = [BigInt(size) * BigInt(weight), BigInt(sum)];
    return { part: Number(exact / all), remainder: Number(exact % all) };
  });
}
