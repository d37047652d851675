import {
  aucOf,
  broughtBetween,
  customerAt,
  reliabilityOf,
  scoreChurn,
  trainChurn,
} from '../analytics/index.ts';
import { CDNOW_END, cdnow, seenAt } from './cdnow.ts';
import { machine } from './rig.ts';

const WEEKS = [13, 26, 39];

/** `npm run bench -- churn`: models of churn on CDNOW, on what was held out. Needs ../shared/data/cdnow. */
export async function churnBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const all = cdnow();
  const figures: Record<string, object> = {};
  for (const weeks of WEEKS) {
    const days = 7 * weeks;
    const started_ms = performance.now();
    const { fit } = trainChurn(seenAt(all, CDNOW_END), CDNOW_END, days);
    const train_ms = Math.round(performance.now() - started_ms);
    const held = all.flatMap((customer) => {
      const at = customerAt(customer, CDNOW_END);
      const happened = broughtBetween(customer, CDNOW_END, CDNOW_END + days).purchases === 0;
      return at === undefined ? [] : [{ ...scoreChurn(fit, at, days), happened }];
    });
    const happened = held.map((one) => one.happened);
    const probabilities = held.map((one) => one.probability_of_churn);
    const { deciles, brier, brier_base } = reliabilityOf(probabilities, happened);
    const misses = deciles.map(({ predicted, observed }) => Math.abs(predicted - observed));
    const auc = (scores: readonly number[]): number => Number((aucOf(scores, happened) ?? 0).toFixed(3));
    const own = {
      auc_expected_purchases: auc(held.map((one) => -one.expected_purchases)),
      auc: auc(probabilities),
      largest_miss_points: Number((100 * Math.max(...misses)).toFixed(1)),
      ...{ brier: Number(brier.toFixed(4)), brier_base: Number(brier_base.toFixed(4)), train_ms },
    };
    process.stdout.write(`${weeks} weeks: ${JSON.stringify(own)}\n`);
    figures[`weeks_${weeks}`] = own;
  }
  return { customers: all.length, ...figures };
}
