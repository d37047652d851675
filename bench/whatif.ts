import { simulateWhatif } from '../analytics/index.ts';
import { machine } from './rig.ts';
import { whatifCase } from './whatif-shops.ts';

const CASES = 100;

/** `npm run bench -- whatif`: of 100 generated shops, how many true changes lie in the 90 % interval. */
export async function whatifBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const kinds = new Map<string, { cases: number; inside: number; width: number }>();
  let [inside, ms] = [0, 0];
  for (let seed = 0; seed < CASES; seed++) {
    const { kind, task, truth } = whatifCase(seed);
    const started_ms = performance.now();
    const { change, baseline } = simulateWhatif(task);
    ms += performance.now() - started_ms;
    const { lower, upper } = change.revenue;
    const isInside = truth >= lower && truth <= upper;
    const own = kinds.get(kind) ?? { cases: 0, inside: 0, width: 0 };
    kinds.set(kind, {
      cases: own.cases + 1,
      inside: own.inside + Number(isInside),
      width: own.width + (upper - lower) / baseline.revenue,
    });
    inside += Number(isInside);
  }
  for (const [kind, { cases, inside: held, width }] of kinds) {
    const points = ((100 * width) / cases).toFixed(1);
    process.stdout.write(`${kind.padEnd(16)}${held} of ${cases} inside; width ${points} % of the baseline\n`);
  }
  return { cases: CASES, inside, ms: Number((ms / CASES).toFixed(1)) };
}
