import { asMillraceError, SeededRandom } from '../base/index.ts';
import type { Topology } from '../graph/index.ts';
import type { SimulatedDefinition } from './simulated-control.ts';
import { isOneStream, type SimulatedMessage, type SimulatedMessages } from './simulated-edges.ts';
import { type SimulationResult, simulate } from './simulation.ts';

/** How far messages may come out of order. */
export type Disorder =
  | 'none'
  /** Shuffled: for topologies whose results do not depend on event time. */
  | 'any'
  /** Late by less than `max_ms`: nothing is late for who allows that much out-of-orderness. */
  | { readonly timeOf: (message: SimulatedMessage) => number; readonly max_ms: number };

/** What is simulated under many seeds. */
export interface SeedsOptions {
  readonly topology: () => Topology;
  /** What the disturbed run uses instead, e.g. with small caches. Default: `topology`. */
  readonly disturbed?: (random: SeededRandom) => Topology;
  /**
   * Makes a set of messages, in order and each once, from its number and nothing else; of a topology with
   * several sources a stream for each source node, by name.
   */
  readonly generate: (set: number, random: SeededRandom) => SimulatedMessages;
  /** What users define while a set is run; see `SimulationOptions`. */
  readonly definitions?: (set: number, random: SeededRandom) => readonly SimulatedDefinition[];
  /** How many seeds. */
  readonly seeds: number;
  /** The first of them. Default: 1. */
  readonly from?: number;
  /** Seeds that share a set and its straight run. Default: 10. */
  readonly seeds_per_set?: number;
  /** Default: `any`. */
  readonly disorder?: Disorder;
  /** Share of the messages that are published once more. 0 for a topology that does not deduplicate. Default: 0.3. */
  readonly duplicates?: number;
  /** Whether some crashes lose the disk, too; see `SimulationOptions`. Default: true. */
  readonly restores?: boolean;
  /** The clock at the start and at the end, ms. Default: 1 January 2025 and an hour later. */
  readonly start_ms?: number;
  readonly end_ms?: number;
  /** See `SimulationOptions`. */
  readonly max_take_records?: number;
  readonly max_crashes?: number;
  /** What is wrong with a disturbed run, in sentences; empty when nothing is. Default: `compareRuns`. */
  readonly compare?: (straight: SimulationResult, disturbed: SimulationResult) => readonly string[];
  /** The command that runs one seed again. */
  readonly replay?: (seed: number) => string;
  /** Called after each seed that is fine, e.g. to show progress. */
  readonly onSeed?: (seed: number, result: SimulationResult) => void;
}

/** A seed under which the results were others, what was wrong, and the command that runs it again. */
export interface SeedFailure {
  readonly seed: number;
  readonly problems: readonly string[];
  /** What to run to see it again. */
  readonly replay: string;
}

/** What was simulated, and the first failure. */
export interface SeedsReport {
  /** Seeds that were run, the failing one included. */
  readonly seeds: number;
  readonly crashes: number;
  readonly restores: number;
  readonly sends: number;
  /** The first seed that fails; those after it are not run. */
  readonly failure: SeedFailure | undefined;
}

const START_MS = Date.UTC(2025, 0, 1);
const HOUR_MS = 3_600_000;

/**
 * Runs a topology once for each seed on disturbed streams (out of order, partly twice, with pauses, holes in
 * the sequences, failed sends, crashes at every step of a commit and restores) and compares it with a straight
 * run of the same set: each message once, in order, without faults. Several sources are independent of each
 * other in both: how their messages interleave is left to the seed. Everything follows from the seed, so one that
 * fails again with `{ from: seed, seeds: 1 }`.
 */
export async function simulateSeeds(options: SeedsOptions): Promise<SeedsReport> {
  const { from = 1, seeds, seeds_per_set = 10, compare = compareRuns } = options;
  const totals = { crashes: 0, restores: 0, sends: 0 };
  let straight: { readonly set: number; readonly result: SimulationResult } | undefined;
  for (let seed = from; seed < from + seeds; seed++) {
    const set = Math.floor(seed / seeds_per_set);
    let problems: readonly string[];
    try {
      if (straight?.set !== set) straight = { set, result: await runStraight(options, set) };
      const result = await runDisturbed(options, set, seed);
      totals.crashes += result.crashes;
      totals.restores += result.restores;
      totals.sends += result.sends;
      problems = compare(straight.result, result);
      if (problems.length === 0) options.onSeed?.(seed, result);
    } catch (thrown) {
      const { code, message } = asMillraceError(thrown);
      problems = [`${message} [${code}]`];
    }
    if (problems.length > 0) {
      const replay = options.replay?.(seed) ?? `simulateSeeds({ ..., from: ${seed}, seeds: 1 })`;
      return { seeds: seed - from + 1, ...totals, failure: { seed, problems, replay } };
    }
  }
  return { seeds, ...totals, failure: undefined };
}

const worldOf = (options: SeedsOptions) => {
  const { start_ms = START_MS, end_ms = start_ms + HOUR_MS, max_take_records, max_crashes } = options;
  return { start_ms, end_ms, max_take_records, max_crashes };
};

function generated({ generate }: SeedsOptions, set: number): SimulatedMessages {
  return generate(set, new SeededRandom(set));
}

function runStraight(options: SeedsOptions, set: number): Promise<SimulationResult> {
  const { topology } = options;
  const messages = generated(options, set);
  const definitions = options.definitions?.(set, new SeededRandom(~set));
  return simulate({ topology, messages, definitions, seed: 0, faults: false, ...worldOf(options) });
}

function runDisturbed(options: SeedsOptions, set: number, seed: number): Promise<SimulationResult> {
  const { topology, disturbed, restores = true } = options;
  const random = new SeededRandom(seed ^ 0x5eed);
  const straight = generated(options, set);
  const messages = isOneStream(straight)
    ? disturb(straight, options, random)
    : Object.fromEntries(
        Object.entries(straight).map(([node, stream]) => [node, disturb(stream, options, random)]),
      );
  return simulate({
    topology: disturbed === undefined ? topology : () => disturbed(new SeededRandom(~seed)),
    messages,
    definitions: options.definitions?.(set, new SeededRandom(~set)),
    seed,
    faults: true,
    restores,
    ...worldOf(options),
  });
}

function disturb(
  messages: readonly SimulatedMessage[],
  { disorder = 'any', duplicates = 0.3 }: SeedsOptions,
  random: SeededRandom,
): readonly SimulatedMessage[] {
  const all = messages.flatMap((message) => (random.chance(duplicates) ? [message, message] : [message]));
  if (disorder === 'none') return all;
  if (disorder === 'any') return random.shuffled(all);
  const { timeOf, max_ms } = disorder;
  return all
    .map((message) => ({ message, at_ms: timeOf(message) + random.int(0, Math.max(0, max_ms - 1)) }))
    .sort((a, b) => a.at_ms - b.at_ms)
    .map(({ message }) => message);
}

/**
 * What differs between two runs of one set: the content of tables, the final watermark, and what was sent,
 * by subject and payload (ids may name places in the stream).
 */
export function compareRuns(straight: SimulationResult, disturbed: SimulationResult): string[] {
  const problems: string[] = [];
  for (const [table, { rows, digest }] of Object.entries(straight.digest.tables)) {
    const other = disturbed.digest.tables[table];
    if (other?.digest !== digest) {
      problems.push(`Table ${table} differs: ${rows} rows in the straight run, ${other?.rows} in this one.`);
    }
  }
  const [wanted, found] = [straight.progress.watermark_ms, disturbed.progress.watermark_ms];
  if (wanted !== found)
    problems.push(`The final watermark is ${wanted} in the straight run, ${found} in this one.`);
  const missing = countSent(straight);
  for (const [text, count] of countSent(disturbed)) missing.set(text, (missing.get(text) ?? 0) - count);
  for (const [text, count] of missing) {
    if (count > 0) problems.push(`Sent ${count} times less than in the straight run: ${text}`);
    if (count < 0) problems.push(`Sent ${-count} times more than in the straight run: ${text}`);
  }
  return problems;
}

function countSent({ published }: SimulationResult): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { subject, payload } of published.values()) {
    const text = `${subject} ${Buffer.from(payload).toString()}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}
