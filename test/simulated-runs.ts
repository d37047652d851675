import { cubeOf, type OrderAnalyticsOptions, orderAnalytics } from '../analytics/index.ts';
import { SeededRandom, type SimulatedDefinition, type SimulationResult, simulate } from '../engine/index.ts';
import type { CubeDefinition } from '../operators/index.ts';
import { correctedSets } from './simulated-corrections.ts';
import { END_MS, type GeneratedSet, generate, publish, START_MS } from './simulated-orders.ts';

export interface OrdersRun {
  readonly result: SimulationResult;
  /** The dead letters that the run had to give: payload by id. */
  readonly expectedLetters: ReadonlyMap<string, string>;
}

export const TOTAL = cubeOf([], '1d');
export const BY_COUNTRY = cubeOf(['country'], '1d');
export const BY_SKU = cubeOf(['sku'], '1d');
/** One cube of each kind: whole orders, items, both, and more than two dimensions. */
export const SIMULATED_CUBES = [
  TOTAL,
  BY_COUNTRY,
  BY_SKU,
  cubeOf(['sku', 'country'], '1d'),
  cubeOf(['category', 'channel'], '1d'),
  cubeOf(['channel', 'country', 'campaign'], '1d'),
];

const SMALL_LOG = { fanout: 3, sealed_min_rows: 150, segment_max_rows: 300, sort_min_rows: 20 };

/** Limits small enough that a few hundred events reach eviction, runs on disk, and merged, sorted, sealed segments. */
const SMALL: readonly Partial<OrderAnalyticsOptions>[] = [
  {},
  { dedup_memory_ids: 16, ledger_cache_bytes: 400, log_limits: SMALL_LOG },
  {
    ...{ dedup_memory_ids: 64, log_limits: { fanout: 2, sort_min_rows: 1, merge_max_rows: 30 } },
    kept_limits: { build_max_rows: 1, open_max_definitions: 1 },
  },
  { ledger_cache_bytes: 2_000, log_limits: { sort_min_rows: 50 }, kept_limits: { build_max_rows: 7 } },
];

/** Each event once, in order, without faults: what every other run of the set must come to. */
export function runStraight(
  set: GeneratedSet,
  options: Partial<OrderAnalyticsOptions> = {},
  definitions?: readonly SimulatedDefinition[],
): Promise<OrdersRun> {
  return run(set, 0, false, options, definitions);
}

/** Shuffled, partly duplicated, in varied forms, with crashes and failed sends, all by the seed. */
export function runDisturbed(
  set: GeneratedSet,
  seed: number,
  options: Partial<OrderAnalyticsOptions> = {},
  definitions?: readonly SimulatedDefinition[],
): Promise<OrdersRun> {
  return run(set, seed, true, { ...new SeededRandom(~seed).pick(SMALL), ...options }, definitions);
}

async function run(
  set: GeneratedSet,
  seed: number,
  disturbed: boolean,
  options: Partial<OrderAnalyticsOptions>,
  definitions: readonly SimulatedDefinition[] | undefined,
): Promise<OrdersRun> {
  const stream = publish(set, new SeededRandom(seed ^ 0x5eed), disturbed);
  const result = await simulate({
    topology: () => orderAnalytics({ cubes: SIMULATED_CUBES, ...options }),
    messages: stream.messages,
    definitions,
    seed,
    faults: disturbed,
    restores: disturbed,
    start_ms: START_MS,
    end_ms: END_MS,
  });
  const [sequences = []] = Object.values(result.sequences);
  const expectedLetters = new Map(
    stream.deadLetters.map(({ index, part, code, text }) => [
      `deadletter-${stream.messages[index]?.subject}-${sequences[index]}-${part}-${code}`,
      text,
    ]),
  );
  return { result, expectedLetters };
}

/** The id of a dead letter without who put it aside: topology and operator are the same in all runs. */
export function letterName(id: string): string {
  return id.replace(/-[\w-]{11}$/, '');
}

/** What is wrong with a disturbed run beside the straight one; empty when nothing is. */
export function differences(straight: OrdersRun, disturbed: OrdersRun): string[] {
  const found: string[] = [];
  for (const [table, { rows, digest }] of Object.entries(straight.result.digest.tables)) {
    const other = disturbed.result.digest.tables[table];
    if (other?.digest !== digest) found.push(`table ${table} differs: ${rows} rows, then ${other?.rows}`);
  }
  if (straight.result.progress.watermark_ms !== disturbed.result.progress.watermark_ms)
    found.push('the final watermark differs');
  const { result, expectedLetters } = disturbed;
  const published = new Map([...result.published].map(([id, message]) => [letterName(id), message]));
  // Two messages of one place and reason are two letters.
  if (published.size !== result.published.size) found.push('dead letters of one place have several ids');
  for (const [id, text] of expectedLetters) {
    const letter = published.get(id);
    if (letter === undefined) found.push(`dead letter ${id} is missing`);
    else if (Buffer.from(letter.payload).toString() !== text) found.push(`dead letter ${id} has other bytes`);
  }
  for (const id of published.keys()) {
    if (!expectedLetters.has(id)) found.push(`message ${id} is not expected`);
  }
  return found;
}

/** Seeds that share one generated set. */
export const SEEDS_PER_SET = 50;

export function setOf(seed: number): number {
  return Math.floor(seed / SEEDS_PER_SET);
}

/** Mostly small sets and few cubes, for many seeds in little time; some large enough for what only shows then. */
function setNumber(number: number): {
  readonly set: GeneratedSet;
  readonly cubes: readonly CubeDefinition[];
} {
  const isLarge = number % 10 === 0;
  const set = generate({ seed: number, orders: isLarge ? 14 : 5, ties: true });
  return {
    set: number % 2 === 0 ? set : correctedSets(set, number).dirty,
    cubes: isLarge ? SIMULATED_CUBES : [TOTAL, BY_SKU, cubeOf(['channel', 'country', 'campaign'], '1d')],
  };
}

export interface OrdersSeeds {
  readonly seeds: number;
  readonly crashes: number;
  readonly restores: number;
  readonly sends: number;
  readonly failures: readonly { readonly seed: number; readonly problems: readonly string[] }[];
}

/** Disturbed runs of the order analytics, one a seed, each compared with the straight run of its set. */
export async function runSeeds(from: number, count: number): Promise<OrdersSeeds> {
  const totals = { crashes: 0, restores: 0, sends: 0 };
  const failures: { seed: number; problems: readonly string[] }[] = [];
  let straight: (ReturnType<typeof setNumber> & { number: number; run: OrdersRun }) | undefined;
  for (let seed = from; seed < from + count; seed++) {
    const number = setOf(seed);
    if (straight?.number !== number) {
      const { set, cubes } = setNumber(number);
      straight = { number, set, cubes, run: await runStraight(set, { cubes }) };
    }
    const { set, cubes } = straight;
    try {
      const run = await runDisturbed(set, seed, { cubes });
      totals.crashes += run.result.crashes;
      totals.restores += run.result.restores;
      totals.sends += run.result.sends;
      const problems = differences(straight.run, run);
      if (problems.length > 0) failures.push({ seed, problems });
    } catch (error) {
      failures.push({
        seed,
        problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      });
    }
  }
  return { seeds: count, ...totals, failures };
}
