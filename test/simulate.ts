import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeedsInThreads } from './simulate-threads.ts';
import { runSeeds } from './simulated-runs.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '2000' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});

const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const threads = Number(values.threads);
const isWhole = (number: number): boolean => Number.isSafeInteger(number) && number >= 1;
if (!Number.isSafeInteger(first) || !isWhole(count) || !isWhole(threads)) {
  console.error('Usage: npm run simulate -- [--seed N | --from N --seeds N] [--threads N]');
  process.exit(2);
}

const started_ms = Date.now();
const { crashes, restores, sends, failures } =
  count === 1 ? await runSeeds(first, 1) : await runSeedsInThreads(first, count, threads);
for (const { seed, problems } of failures) {
  console.error(`seed ${seed} fails (npm run simulate -- --seed ${seed}):\n  ${problems.join('\n  ')}`);
}
const seconds = ((Date.now() - started_ms) / 1_000).toFixed(1);
console.log(
  `${count} seeds, ${failures.length} failed, ${crashes} crashes, ${restores} restores, ${sends} sends, ${seconds} s`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
