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

const ENDS_SHARE = 0.4;

/**
 * The weight of each touch of a journey, in order of time; there is at least one. They need not add up to 1.
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
      return touches.map(({ key }) => 1 / (touchesOf.get(key) ?? 1));
    }
  }
}

function positionWeights(touches: number): number[] {
  if (touches <= 2) return Array.from({ length: touches }, () => 1);
  const between = (1 - 2 * ENDS_SHARE) / (touches - 2);
  return Array.from({ length: touches }, (_, at) => (at === 0 || at === touches - 1 ? ENDS_SHARE : between));
}

/**
 * An integer in parts as the weights say, exactly: rounded toward zero, then the units left over to the largest
 * remainders, the first of equals first (Hamilton's method). Where all weights are 0 each part has the same one.
 */
export function splitExactly(value: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const shares = weights.map((weight) => (sum > 0 ? (value * weight) / sum : value / weights.length));
  const parts = shares.map(Math.trunc);
  const unit = value < 0 ? -1 : 1;
  let left = Math.abs(value - parts.reduce((all, part) => all + part, 0));
  const order = shares
    .map((share, at) => ({ at, remainder: Math.abs(share - (parts[at] as number)) }))
    .sort((a, b) => b.remainder - a.remainder || a.at - b.at);
  for (let turn = 0; left > 0; turn++, left--) {
    const { at } = order[turn % order.length] as { readonly at: number };
    parts[at] = (parts[at] as number) + unit;
  }
  return parts;
}
