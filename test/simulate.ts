import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { LIBRARY, simulateLibrary, told } from './library-simulation.ts';
import { runSeedsInThreads } from './simulate-threads.ts';
import { runSeeds } from './simulated-runs.ts';

const { values } = parseArgs({
  options: {
    topology: { type: 'string' },
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
const isKnown = values.topology === undefined || values.topology in LIBRARY;
if (!Number.isSafeInteger(first) || !isWhole(count) || !isWhole(threads) || !isKnown) {
  const names = Object.keys(LIBRARY).join('|');
  console.error(
    `Usage: npm run simulate -- [--topology ${names}] [--seed N | --from N --seeds N] [--threads N]`,
  );
  process.exit(2);
}

/** The order analytics. */
async function simulateOrders() {
  const { crashes, restores, sends, failures } =
    count === 1 ? await runSeeds(first, 1) : await runSeedsInThreads(first, count, threads);
  const texts = failures.map(
    ({ seed, problems }) =>
      `seed ${seed} fails (npm run simulate -- --seed ${seed}):\n  ${problems.join('\n  ')}`,
  );
  return { seeds: count, crashes, restores, sends, texts };
}

/** A topology of library operators: up to its first failure. */
async function simulateTopology(name: string) {
  const { seeds, crashes, restores, sends, failure } = await simulateLibrary(name, first, count);
  return { seeds, crashes, restores, sends, texts: failure === undefined ? [] : [told(failure)] };
}

const started_ms = Date.now();
const { seeds, crashes, restores, sends, texts } = await (values.topology === undefined
  ? simulateOrders()
  : simulateTopology(values.topology));
for (const text of texts) console.error(text);
const seconds = ((Date.now() - started_ms) / 1_000).toFixed(1);
console.log(
  `${seeds} seeds, ${texts.length} failed, ${crashes} crashes, ${restores} restores, ${sends} sends, ${seconds} s`,
);
process.exitCode = texts.length === 0 ? 0 : 1;
