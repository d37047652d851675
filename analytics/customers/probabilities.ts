/** How good probabilities are, against what happened. */
export interface Reliability {
  /** The mean square of probability − outcome (Brier, Monthly Weather Review 78, 1950). */
  readonly brier: number;
  /** The same for who says the share of all every time: what has to be beaten. */
  readonly brier_base: number;
  /** By tenths of the customers, the least probable first. */
  readonly deciles: readonly {
    readonly customers: number;
    /** Mean probability. */
    readonly predicted: number;
    /** Share of those to whom it happened. */
    readonly observed: number;
  }[];
}

const DECILES = 10;

export function reliabilityOf(predicted: readonly number[], happened: readonly boolean[]): Reliability {
  const count = predicted.length;
  const base = happened.filter((one) => one).length / count;
  const order = predicted
    .map((_, at) => at)
    .sort((a, b) => (predicted[a] as number) - (predicted[b] as number));
  let brier = 0;
  for (const [at, probability] of predicted.entries())
    brier += (probability - Number(happened[at])) ** 2 / count;
  const deciles = Array.from({ length: DECILES }, (_, decile) => {
    const from = Math.floor((decile * count) / DECILES);
    const own = order.slice(from, Math.floor(((decile + 1) * count) / DECILES));
    const mean = (of: (at: number) => number): number =>
      own.reduce((sum, at) => sum + of(at), 0) / own.length;
    return {
      customers: own.length,
      predicted: mean((at) => predicted[at] as number),
      observed: mean((at) => Number(happened[at])),
    };
  }).filter(({ customers }) => customers > 0);
  return { brier, brier_base: base * (1 - base), deciles };
}

/**
 * The probability that one to whom it happened ranks above one to whom it did not, ties by half: the area under the ROC
 * curve (Hanley & McNeil, Radiology 143, 1982). null where there are not both.
 */
export function aucOf(scores: readonly number[], happened: readonly boolean[]): number | null {
  const order = scores.map((_, at) => at).sort((a, b) => (scores[a] as number) - (scores[b] as number));
  const positives = happened.filter((one) => one).length;
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) return null;
  let ranks = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to] as number] === scores[order[from] as number]) to++;
    const rank = (from + 1 + to) / 2;
    for (let at = from; at < to; at++) if (happened[order[at] as number] === true) ranks += rank;
    from = to;
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}
