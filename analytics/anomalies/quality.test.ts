import { expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { Fold } from '../../operators/index.ts';
import { OwnMetrics } from '../kpis/index.ts';
import { ruleSchemaOf, watchedRule } from './index.ts';

const GROUPS = 200;
const HOURS = 90 * 24;
const FIRST_MS = Date.UTC(2026, 0, 5);
/** What happens to three of four groups, for six hours of a day after the first month. */
const FACTORS = [0, 3, 0.1, undefined] as const;
const EVENT_HOURS = 6;

/** A normal count of this mean: the sum of twelve uniform numbers is nearly normal. */
function countOf(random: SeededRandom, mean: number): number {
  let sum = 0;
  for (let time = 0; time < 12; time++) sum += random.int(0, 1_000_000) / 1_000_000;
  return Math.max(0, Math.round(mean + (sum - 6) * Math.sqrt(mean)));
}

it('200 groups over 90 days, with days, weekends and levels of their own: one alert a true event', () => {
  const since = new Date(FIRST_MS + 14 * 86_400_000).toISOString();
  const body = ruleSchemaOf([]).parse({ metric: 'orders_count', since });
  const rule = watchedRule(body, { id: 'r', scope: 's', own: new OwnMetrics([]), custom: [], marks: [] });
  const first = rule.grid.indexOf(FIRST_MS);
  const alerts = { true: 0, missed: 0, repeated: 0, false: 0 };
  for (let group = 0; group < GROUPS; group++) {
    const random = new SeededRandom(group + 1);
    const at = first + random.int(30, 85) * 24 + random.int(8, 16);
    const factor = FACTORS[group % FACTORS.length];
    const level = random.int(50, 250);
    const fold = new Fold(rule, '', { first, state: rule.detector.start(`g${group}`), episode: undefined });
    for (let index = first; index < first + HOURS; index++) {
      const course = 1 + 0.8 * Math.sin((((index % 24) - 8) / 24) * 2 * Math.PI);
      const weekend = Math.floor((index - first) / 24) % 7 >= 5 ? 0.6 : 1;
      const happening = index >= at && index < at + EVENT_HOURS ? (factor ?? 1) : 1;
      fold.next(index, countOf(random, level * course * weekend * happening));
    }
    const told = fold.folded.episodes.filter(
      ({ episode }) => rule.grid.startOf(episode.start + 1) > rule.alertFrom_ms,
    );
    const found = told.filter(({ episode }) => episode.start >= at && episode.start < at + EVENT_HOURS);
    const right = factor === undefined ? 0 : found.length;
    alerts.true += Math.min(1, right);
    alerts.missed += factor !== undefined && right === 0 ? 1 : 0;
    alerts.repeated += Math.max(0, right - 1);
    alerts.false += told.length - right;
  }
  // Of 360,000 normal windows the sensitivity lets 36 be flagged.
  expect(alerts).toEqual({
    true: 150,
    missed: 0,
    repeated: 0,
    false: expect.toSatisfy((count) => count <= 2),
  });
});
