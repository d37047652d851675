import { parseArgs } from 'node:util';
import { generate } from './simulated-orders.ts';
import {
  differences,
  ORDERS_PER_SET,
  type OrdersRun,
  runDisturbed,
  runStraight,
  setOf,
} from './simulated-runs.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '2000' },
  },
});

const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  console.error('Usage: npm run simulate -- [--seed N | --from N --seeds N]');
  process.exit(2);
}

const started_ms = Date.now();
const straight = new Map<number, OrdersRun>();
let crashes = 0;
let sends = 0;
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const number = setOf(seed);
  const set = generate({ seed: number, orders: ORDERS_PER_SET, ties: true });
  const reference = straight.get(number) ?? (await runStraight(set));
  straight.set(number, reference);
  const found = await runDisturbed(set, seed).then(
    (run) => {
      crashes += run.result.crashes;
      sends += run.result.sends;
      return differences(reference, run);
    },
    (error: unknown) => [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  );
  if (found.length === 0) continue;
  failed++;
  console.error(`seed ${seed} fails (npm run simulate -- --seed ${seed}):\n  ${found.join('\n  ')}`);
}
const seconds = ((Date.now() - started_ms) / 1_000).toFixed(1);
console.log(`${count} seeds, ${failed} failed, ${crashes} crashes, ${sends} sends, ${seconds} s`);
process.exitCode = failed === 0 ? 0 : 1;
