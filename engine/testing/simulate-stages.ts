import {
  asMillraceError,
  ByteWriter,
  invariant,
  ManualClock,
  partitionOf,
  SeededRandom,
} from '../base/index.ts';
import { producerName } from '../channels/index.ts';
import type { OutMessage } from '../edges/index.ts';
import type { Topology } from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { jointDigest, type StateDigest, Task } from '../task/index.ts';
import type { SeedFailure } from './simulate-seeds.ts';
import { type LogMessage, SimulatedPartition } from './simulated-log.ts';
import {
  logOf,
  partitionOfSubject,
  type StageControl,
  type StageMessage,
  StageRun,
  type StageRunCounts,
  type StageRunResult,
} from './stage-run.ts';

/** What a simulation of stages runs, on which messages, and how often. */
export interface StagesOptions {
  /** A partitioned topology. Its source is given messages on `p.<partition>.<type>`. */
  readonly topology: () => Topology;
  /** Makes a set of messages, in order, from its number and nothing else. */
  readonly generate: (set: number, random: SeededRandom) => readonly StageMessage[];
  /** How many seeds. */
  readonly seeds: number;
  /** The first of them. Default: 1. */
  readonly from?: number;
  /** Seeds that share a set and its run by one task. Default: 10. */
  readonly seeds_per_set?: number;
  /** When the first message is stored, ms. Default: 1 January 2025. */
  readonly start_ms?: number;
  /** Something is switched off or done wrongly, so that a seed must fail. */
  readonly control?: StageControl;
  /** The command that runs one seed again. */
  readonly replay?: (seed: number) => string;
}

/** How a simulation of stages went. */
export interface StagesReport extends StageRunCounts {
  /** Seeds that were run, the failing one included. */
  readonly seeds: number;
  /** The first seed that fails; those after it are not run. */
  readonly failure: SeedFailure | undefined;
}

const START_MS = Date.UTC(2025, 0, 1);
const PROBLEMS_MAX = 20;

/** What one task makes of all of a topology. */
interface Straight {
  readonly digest: StateDigest;
  /** Rows as their bytes, in order, by `<cut> <target> <producer>`; of later stages by `<cut> <target>`, in no order. */
  readonly rows: ReadonlyMap<string, readonly string[]>;
  readonly published: readonly OutMessage[];
}

/**
 * Runs a partitioned topology once for each seed with two owners of every task, each with a disk of its own, who both
 * believe whatever they like: they begin to send at random moments, with rising epochs, stand still and go on, crash at
 * every step of a commit, and lose their disks. Requests to the channels are late, lost, and carried out without an
 * answer; channels are full. At the end what the targets received and what all partitions hold is compared with a run of
 * the same messages by one task. Everything follows from the seed.
 */
export async function simulateStages(options: StagesOptions): Promise<StagesReport> {
  const { from = 1, seeds, seeds_per_set = 10, start_ms = START_MS } = options;
  const totals = { crashes: 0, restores: 0, activations: 0, fenced: 0, refused: 0, full: 0, blocks: 0 };
  let straight: { readonly set: number; readonly result: Straight } | undefined;
  for (let seed = from; seed < from + seeds; seed++) {
    const set = Math.floor(seed / seeds_per_set);
    const messages = options.generate(set, new SeededRandom(set));
    let problems: readonly string[];
    try {
      if (straight?.set !== set) {
        straight = { set, result: await runWhole(options.topology(), messages, start_ms) };
      }
      const { topology, control } = options;
      const result = await new StageRun({ topology, messages, seed, start_ms, control }).run();
      for (const [name, count] of Object.entries(result.counts)) totals[name as keyof typeof totals] += count;
      problems = compareStages(options.topology(), straight.result, result);
    } catch (thrown) {
      const { code, message } = asMillraceError(thrown);
      problems = [`${message} [${code}]`];
    }
    if (problems.length > 0) {
      const replay = options.replay?.(seed) ?? `simulateStages({ ..., from: ${seed}, seeds: 1 })`;
      const shown = problems.slice(0, PROBLEMS_MAX);
      return { seeds: seed - from + 1, ...totals, failure: { seed, problems: shown, replay } };
    }
  }
  return { seeds, ...totals, failure: undefined };
}

/** One task reads all partitions of the log. */
async function runWhole(
  topology: Topology,
  messages: readonly StageMessage[],
  start_ms: number,
): Promise<Straight> {
  const { partitions } = topology;
  invariant(partitions !== undefined, 'a simulation of stages is of a partitioned topology');
  const log = logOf(messages, partitions, start_ms, new SeededRandom(0));
  const disk = new MemoryDisk();
  const clock = new ManualClock(start_ms);
  const source = wholeLog(log, clock);
  const published: OutMessage[] = [];
  const rows = new Map<string, string[]>();
  const stages = topology.stages();
  const stageOf = new Map(stages.flatMap(({ writes, index }) => writes.map((cut) => [cut, index] as const)));
  const bySequence = new Map(log.map((message) => [message.sequence, message]));
  const writer = new ByteWriter();
  const task = new Task({
    ...{ topology, source, clock, ordered: true, store: disk.open() },
    publisher: {
      publish: (message) => {
        published.push(message);
        return Promise.resolve();
      },
    },
    listen: (node, items) => {
      const stage = stageOf.get(node);
      if (stage === undefined) return;
      const { keyOf, codec } = topology.cutOf(node);
      const { subject = '' } = bySequence.get(task.cursor.sequence) ?? {};
      for (const item of items) {
        codec.write(writer.reset(), item);
        const target = partitionOf(keyOf(item), partitions);
        const producer = stage === 0 ? ` ${producerName(0, partitionOfSubject(subject))}` : '';
        const key = `${node} ${target}${producer}`;
        rows.set(key, [...(rows.get(key) ?? []), writer.view().toString('latin1')]);
      }
    },
  });
  await task.open();
  while (!source.isAtEnd) await task.step(0);
  task.commit();
  for (let turn = 0; turn < published.length + 50; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  task.close();
  return { digest: jointDigest([{ topology, reader: disk.reader() }]), rows, published };
}

function wholeLog(log: readonly LogMessage[], clock: ManualClock): SimulatedPartition {
  const last = log.at(-1)?.sequence ?? 0;
  const source = new SimulatedPartition(
    {
      name: 'INPUT',
      firstSequence: () => log[0]?.sequence ?? 1,
      lastSequence: () => last,
      after: (_, sequence, max) => log.filter((message) => message.sequence > sequence).slice(0, max),
    },
    0,
    new SeededRandom(0),
    clock,
  );
  source.calm();
  return source;
}

/** What differs from the run by one task, in sentences. */
function compareStages(topology: Topology, straight: Straight, result: StageRunResult): readonly string[] {
  const problems = [...result.problems];
  const later = new Set(topology.stages().flatMap(({ index, writes }) => (index === 0 ? [] : writes)));
  const found = new Map<string, string[]>();
  for (const [channel, rows] of result.channels) {
    const [cut = '', target = ''] = channel.split(' ');
    const key = later.has(cut) ? `${cut} ${target}` : channel;
    const texts = rows.map(({ payload }) => Buffer.from(payload).toString('latin1'));
    found.set(key, [...(found.get(key) ?? []), ...texts]);
  }
  for (const key of new Set([...straight.rows.keys(), ...found.keys()])) {
    const [wanted = [], got = []] = [straight.rows.get(key), found.get(key)];
    const isInOrder = key.split(' ').length === 3;
    const said = difference(isInOrder ? wanted : wanted.toSorted(), isInOrder ? got : got.toSorted());
    if (said !== undefined) problems.push(`Channel ${key}: ${said}`);
  }
  const digest = jointDigest(result.states);
  for (const [table, { rows, digest: wanted }] of Object.entries(straight.digest.tables)) {
    const other = digest.tables[table];
    if (other?.digest === wanted) continue;
    problems.push(`Table ${table} differs: ${rows} rows by one task, ${other?.rows ?? 0} by all partitions.`);
  }
  const sent = (messages: Iterable<OutMessage>): readonly string[] =>
    [...messages].map(({ subject, payload }) => `${subject} ${Buffer.from(payload).toString()}`).sort();
  const said = difference(sent(straight.published), sent(result.published.values()));
  if (said !== undefined) problems.push(`Messages to the outside: ${said}`);
  return problems;
}

/** How rows differ from those that should have come; undefined: not at all. */
function difference(wanted: readonly string[], got: readonly string[]): string | undefined {
  const at = wanted.findIndex((row, index) => row !== got[index]);
  if (at < 0 && wanted.length === got.length) return undefined;
  const counts = new Map<string, number>();
  for (const row of wanted) counts.set(row, (counts.get(row) ?? 0) + 1);
  for (const row of got) counts.set(row, (counts.get(row) ?? 0) - 1);
  const lost = [...counts.values()].reduce((sum, count) => sum + Math.max(0, count), 0);
  const doubled = [...counts.values()].reduce((sum, count) => sum + Math.max(0, -count), 0);
  const place = at < 0 ? wanted.length : at;
  return `of ${wanted.length} rows ${lost} were lost and ${doubled} came too often; from row ${place} on they differ.`;
}
