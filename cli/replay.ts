import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  EVENTS_STREAM,
  type JetStreamInput,
  JetStreamSource,
  jetstreamInputs,
  type NatsLink,
} from '../connectors/index.ts';
import {
  asMillraceError,
  type Clock,
  deadLetterQuarantine,
  type GenerationLayout,
  type InputPosition,
  inputPositions,
  type KvReader,
  type KvStore,
  META_TABLE,
  MillraceError,
  makeCurrent,
  nextGeneration,
  openLmdbReader,
  openLmdbStore,
  type Progress,
  type Quarantine,
  readProgress,
  readTopology,
  type Source,
  type StateDigest,
  stateDigest,
  systemClock,
  Task,
} from '../engine/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { withNats } from './nats.ts';
import { hasState, layoutOf, PARTITION, type Place, placeOf, stateRoot } from './place.ts';
import { BoundedSource, EndedSource } from './replay-source.ts';
import { failingRecordsOf } from './start-topology.ts';

const PROGRESS_INTERVAL_MS = 1_000;
const STEP_WAIT_MS = 250;
/** Rounds of catching up with a state that goes on, before the comparison is given up. */
const MAX_ROUNDS = 10;
/** Longer than any stream has to be quiet for event time to follow the clock. */
const LONG_MS = 10 * 365 * 86_400_000;

interface Replayed {
  readonly generation: number;
  readonly path: string;
  readonly records: number;
  /** Last applied sequence by stream. */
  readonly position: Readonly<Record<string, number>>;
  readonly digest: StateDigest;
  /** Undefined: there was no state to compare with, or it did not stand still. */
  readonly same: boolean | undefined;
  /** Tables that differ from those of the current state. */
  readonly different: readonly string[];
  /** In the current state event time had followed the clock, as it does while streams are quiet. */
  readonly followed_clock: boolean;
}

type Input = Pick<JetStreamInput, 'node' | 'stream' | 'filter' | 'through'>;

/** Where a state stands, and each source by name. */
interface Reached {
  readonly progress: Progress;
  readonly positions: ReadonlyMap<string, InputPosition>;
}

/** Last sequences by source. */
type Goal = Readonly<Record<string, number>>;

/** Runs a topology over its streams into `layout`, sending nothing, up to where the current state stands. */
class Replay {
  readonly #place: Place;
  readonly #context: CommandContext;
  readonly #stop: AbortSignal;
  readonly #layout: GenerationLayout;
  readonly #link: NatsLink;
  readonly #inputs: readonly Input[];
  readonly #quarantine: Quarantine | undefined;
  #applied = 0;
  #followedClock = false;

  constructor(
    place: Place,
    context: CommandContext,
    stop: AbortSignal,
    layout: GenerationLayout,
    link: NatsLink,
    quarantine: Quarantine | undefined,
  ) {
    this.#place = place;
    this.#quarantine = quarantine;
    this.#context = context;
    this.#stop = stop;
    this.#layout = layout;
    this.#link = link;
    this.#inputs = inputsOf(place);
  }

  async run(current: KvReader | undefined): Promise<Replayed> {
    const path = this.#layout.partitionPath(PARTITION);
    const store = openLmdbStore(path);
    const reader = openLmdbReader(path, { sharedWithWriter: true });
    try {
      const end: Record<string, number> = {};
      for (const input of this.#inputs) end[input.node] = (await this.#source(input).facts()).lastSequence;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const before = current === undefined ? undefined : this.#reachedIn(current);
        const goal = before === undefined ? end : goalOf(before, end);
        await this.#readTo(store, goal);
        if (before !== undefined) await this.#followClock(store, reader, before);
        const digest = stateDigest(this.#place.topology, reader);
        if (current === undefined) return this.#done(reader, digest);
        const other = stateDigest(this.#place.topology, current);
        const after = this.#reachedIn(current);
        const hasMoved = after !== undefined && !isDeepStrictEqual(goalOf(after, end), goal);
        const hasAged = after?.progress.watermark_ms !== before?.progress.watermark_ms;
        if (hasMoved || (hasAged && other.digest !== digest.digest)) continue;
        return this.#done(reader, digest, other);
      }
      this.#context.note(
        'The current state goes on all the time; it is not compared. Stop millrace for that.',
      );
      return this.#done(reader, stateDigest(this.#place.topology, reader));
    } finally {
      await reader.close();
      await store.close();
    }
  }

  #source({ stream, filter }: Input): JetStreamSource {
    return new JetStreamSource({ link: this.#link, stream, partition: PARTITION, filter_subjects: filter });
  }

  #reachedIn(reader: KvReader): Reached | undefined {
    const nodes = this.#inputs.map(({ node }) => node);
    return reader.snapshot((table) => {
      const meta = table(META_TABLE);
      const progress = readProgress(meta);
      if (progress === undefined) return undefined;
      return { progress, positions: inputPositions(progress, readTopology(meta), nodes) };
    });
  }

  #done(reader: KvReader, digest: StateDigest, other?: StateDigest): Replayed {
    const positions = this.#reachedIn(reader)?.positions;
    const position = this.#inputs.map(({ node, stream }) => [stream, positions?.get(node)?.sequence ?? 0]);
    return {
      generation: this.#layout.generation,
      path: this.#layout.path,
      records: this.#applied,
      position: Object.fromEntries(position),
      digest,
      same: other === undefined ? undefined : other.digest === digest.digest,
      different: other === undefined ? [] : differentTables(digest, other),
      followed_clock: this.#followedClock,
    };
  }

  async #task(store: KvStore, source: Readonly<Record<string, Source>>, clock: Clock): Promise<Task> {
    const task = new Task({
      topology: this.#place.topology,
      source,
      store,
      // What the streams' first reading owed to the outside was sent then.
      publisher: { publish: () => Promise.resolve() },
      clock,
      ...(this.#quarantine === undefined ? {} : { quarantine: this.#quarantine }),
    });
    await task.open();
    return task;
  }

  async #readTo(store: KvStore, goal: Goal): Promise<void> {
    for (;;) {
      try {
        await this.#readOnce(store, goal);
        return;
      } catch (error) {
        // The next task knows the record, or comes nearer to it.
        if (asMillraceError(error).code !== 'record_failed') throw error;
      }
    }
  }

  async #readOnce(store: KvStore, goal: Goal): Promise<void> {
    const sources = Object.fromEntries(
      this.#inputs.map((input) => [
        input.node,
        new BoundedSource(this.#source(input), goal[input.node] ?? 0),
      ]),
    );
    const all = Object.values(sources);
    const given = (): number => all.reduce((sum, source) => sum + source.given, 0);
    const inputs = Object.fromEntries(
      this.#inputs.map(({ node, through }) => [node, through(sources[node] as Source)]),
    );
    const task = await this.#task(store, inputs, systemClock);
    try {
      let told_ms = systemClock.now();
      let applied = 0;
      while (!all.every(({ isAtEnd }) => isAtEnd) || applied < given()) {
        this.#requireGoingOn();
        applied += await task.step(STEP_WAIT_MS);
        if (systemClock.now() - told_ms < PROGRESS_INTERVAL_MS) continue;
        told_ms = systemClock.now();
        this.#tellProgress(sources);
      }
      task.commit();
    } finally {
      const samples = task.metrics.samples().filter(({ name }) => name === 'millrace.task.records');
      this.#applied += samples.reduce((sum, { value }) => sum + value, 0);
      task.close();
      for (const source of Object.values(inputs)) await source.stop();
    }
  }

  #requireGoingOn(): void {
    if (!this.#stop.aborted) return;
    throw new MillraceError('replay_cancelled', 'The replay was cancelled; what it had built is removed.');
  }

  #tellProgress(sources: Readonly<Record<string, BoundedSource>>): void {
    const lines = this.#inputs.flatMap(({ node, stream }) => {
      const { position = 0, last = 0 } = sources[node] ?? {};
      return last === 0
        ? []
        : [`${stream} ${position} of ${last} (${((100 * position) / last).toFixed(0)} %)`];
    });
    this.#context.note(`replay: ${lines.join(', ')}`);
  }

  /**
   * While streams are quiet event time follows the clock, and windows close by that. Where it did in the
   * current state, it does in the new one, up to the time of the current state's commit.
   */
  async #followClock(store: KvStore, reader: KvReader, { progress, positions }: Reached): Promise<void> {
    const rebuilt = this.#reachedIn(reader);
    if (rebuilt === undefined || progress.watermark_ms === null) return;
    const { watermark_ms } = rebuilt.progress;
    if (watermark_ms !== null && watermark_ms >= progress.watermark_ms) return;
    this.#followedClock = true;
    const sources = this.#inputs.map(({ node }) => {
      const { stream, incarnation, sequence } = rebuilt.positions.get(node) ?? rebuilt.progress;
      const live = positions.get(node);
      const facts = { stream, incarnation, firstSequence: sequence + 1, lastSequence: sequence };
      return [node, new EndedSource(PARTITION, facts, live === undefined || live.head <= live.sequence)];
    });
    let now_ms = progress.committed_at_ms - LONG_MS;
    const task = await this.#task(store, Object.fromEntries(sources), { now: () => now_ms });
    try {
      await task.step(0);
      now_ms = progress.committed_at_ms;
      task.commit();
    } finally {
      task.close();
    }
  }
}

function inputsOf({ topology, file }: Place): readonly Input[] {
  if (file !== undefined) return jetstreamInputs(topology);
  return topology
    .describe()
    .nodes.filter(({ kind }) => kind === 'source')
    .map(({ name }) => ({ node: name, stream: EVENTS_STREAM.name, filter: [], through: (source) => source }));
}

/** As far as the state has come; a source that it does not know is read to the end. */
function goalOf({ positions }: Reached, end: Goal): Goal {
  return Object.fromEntries(
    Object.entries(end).map(([node, last]) => [node, positions.get(node)?.sequence ?? last]),
  );
}

function differentTables(a: StateDigest, b: StateDigest): string[] {
  return Object.keys(a.tables).filter((table) => a.tables[table]?.digest !== b.tables[table]?.digest);
}

export async function replay(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const place = await placeOf(context.env);
  // The server first: where there is none, no folder is made.
  return await withNats(place, context, (link) => replayFrom(link, place, args, context));
}

async function replayFrom(
  link: NatsLink,
  place: Place,
  args: CommandArguments,
  context: CommandContext,
): Promise<ExitCode> {
  const { name } = place.topology;
  const into = args.text('into');
  const root = into === undefined ? stateRoot(place) : join(resolve(into), 'state');
  const quarantine = failingRecordsOf(args) === 'deadLetter' ? deadLetterQuarantine() : undefined;
  const stop = context.interruptible();
  const currentPath = layoutOf(place).partitionPath(PARTITION);
  const current = hasState(currentPath) ? openLmdbReader(currentPath) : undefined;
  const layout = nextGeneration(root, name);
  try {
    const replayed = await new Replay(place, context, stop, layout, link, quarantine).run(current);
    tell(replayed, args.flag('json'), context);
    const isFine = replayed.same !== false;
    if (args.flag('make-current') && (isFine || args.flag('force'))) {
      makeCurrent(root, name, layout.generation);
      context.note(`Generation ${layout.generation} is current: start millrace again to use it.`);
    } else if (!args.flag('keep')) await rm(layout.path, { recursive: true, force: true });
    return isFine ? 0 : 1;
  } catch (error) {
    await rm(layout.path, { recursive: true, force: true });
    throw error;
  } finally {
    await current?.close();
  }
}

function tell(replayed: Replayed, asJson: boolean, { print }: CommandContext): void {
  if (asJson) {
    print(JSON.stringify(replayed, null, 2));
    return;
  }
  const { generation, path, records, position, same, different, digest, followed_clock } = replayed;
  const to = Object.entries(position).map(([stream, sequence]) => `${stream} ${sequence}`);
  print(
    `generation ${generation} in ${path}: ${records} records up to ${to.join(', ')}, digest ${digest.digest}`,
  );
  if (same === true) print('It is the same as the current state.');
  if (same === false) print(`It differs from the current state in: ${different.join(', ')}.`);
  if (same === false && followed_clock) {
    print(
      'Event time had followed the clock while the streams were quiet: records that came late after that',
    );
    print('were too late then, and are not in a replay.');
  }
  if (same === undefined) print('There was no current state to compare it with.');
}
