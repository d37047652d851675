import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { TOPOLOGY_NAME } from '../analytics/index.ts';
import type { Settings } from '../api/index.ts';
import { EVENTS_STREAM, JetStreamSource, type NatsLink } from '../connectors/index.ts';
import {
  type GenerationLayout,
  type KvReader,
  META_TABLE,
  MillraceError,
  makeCurrent,
  nextGeneration,
  openLmdbReader,
  openLmdbStore,
  type Progress,
  readProgress,
  type Source,
  type SourceRecord,
  type SourceState,
  type StateDigest,
  type StreamFacts,
  stateDigest,
  systemClock,
  type Take,
  Task,
} from '../engine/index.ts';
import { hasState, layoutOf, PARTITION, settingsOf, stateRoot, topologyOf } from './app.ts';
import { type Command, type CommandContext, JSON_OPTION, PLACE_OPTIONS } from './command.ts';
import { withNats } from './nats.ts';

const PROGRESS_INTERVAL_MS = 1_000;
const STEP_WAIT_MS = 250;
/** Rounds of catching up with a state that goes on, before the comparison is given up. */
const MAX_ROUNDS = 10;

/** A source that ends where another state stands, so that the two can be compared. */
class BoundedSource implements Source {
  readonly partition = PARTITION;
  readonly #source: Source;
  readonly #held: SourceRecord[] = [];
  /** Nothing after it is given. */
  last = 0;
  /** The last one that was given. */
  position = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  facts(): Promise<StreamFacts> {
    return this.#source.facts();
  }

  start(after: number): Promise<void> {
    this.position = after;
    return this.#source.start(after);
  }

  async take(request: Take): Promise<readonly SourceRecord[]> {
    const records = await this.#take(request);
    this.position = records.at(-1)?.sequence ?? this.position;
    return records;
  }

  async #take(request: Take): Promise<readonly SourceRecord[]> {
    const records =
      this.#held.length > 0 ? this.#held.splice(0, request.max) : await this.#source.take(request);
    const beyond = records.findIndex(({ sequence }) => sequence > this.last);
    if (beyond < 0) return records;
    // The next take makes the source's bytes invalid: what waits for a later bound is copied.
    const copies = records.slice(beyond).map((record) => heldRecord(record));
    this.#held.unshift(...copies);
    return records.slice(0, beyond);
  }

  state(): SourceState {
    return this.#source.state();
  }

  stop(): Promise<void> {
    return this.#source.stop();
  }
}

/** Headers are read in place, too, and are kept as the record has them. */
function heldRecord(record: SourceRecord): SourceRecord {
  const { sequence, subject, hasHeaders } = record;
  return {
    sequence,
    subject,
    hasHeaders,
    data: Uint8Array.from(record.data),
    header: (name) => record.header(name),
  };
}

interface Replayed {
  readonly generation: number;
  readonly path: string;
  readonly records: number;
  readonly sequence: number;
  readonly digest: StateDigest;
  /** Undefined: there was no state to compare with, or it did not stand still. */
  readonly same: boolean | undefined;
  /** Tables that differ from those of the current state. */
  readonly different: readonly string[];
}

/** Runs the topology over the stream into `layout`, sending nothing, up to where the current state stands. */
class Replay {
  readonly #settings: Settings;
  readonly #context: CommandContext;
  readonly #stop: AbortSignal;
  readonly #layout: GenerationLayout;
  readonly #source: BoundedSource;
  #applied = 0;

  constructor(
    settings: Settings,
    context: CommandContext,
    stop: AbortSignal,
    layout: GenerationLayout,
    link: NatsLink,
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#stop = stop;
    this.#layout = layout;
    this.#source = new BoundedSource(
      new JetStreamSource({ link, stream: EVENTS_STREAM.name, partition: PARTITION }),
    );
  }

  async run(current: KvReader | undefined): Promise<Replayed> {
    const path = this.#layout.partitionPath(PARTITION);
    const topology = topologyOf(this.#settings);
    const store = openLmdbStore(path);
    const task = new Task({
      topology,
      source: this.#source,
      store,
      // What the stream's first reading owed to the outside was sent then.
      publisher: { publish: () => Promise.resolve() },
      clock: systemClock,
    });
    try {
      const { lastSequence } = await this.#source.facts();
      await task.open();
      const reader = openLmdbReader(path, { sharedWithWriter: true });
      try {
        return await this.#rounds(task, reader, current, lastSequence);
      } finally {
        await reader.close();
      }
    } finally {
      task.close();
      await this.#source.stop();
      await store.close();
    }
  }

  async #rounds(task: Task, reader: KvReader, current: KvReader | undefined, end: number): Promise<Replayed> {
    const topology = topologyOf(this.#settings);
    const done = (digest: StateDigest, other?: StateDigest): Replayed => ({
      generation: this.#layout.generation,
      path: this.#layout.path,
      records: this.#applied,
      sequence: this.#source.last,
      digest,
      same: other === undefined ? undefined : other.digest === digest.digest,
      different: other === undefined ? [] : differentTables(digest, other),
    });
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const goal = current === undefined ? end : (progressOf(current)?.sequence ?? end);
      await this.#readTo(task, goal);
      const digest = stateDigest(topology, reader);
      if (current === undefined) return done(digest);
      const other = stateDigest(topology, current);
      if (progressOf(current)?.sequence === goal) return done(digest, other);
    }
    this.#context.note('The current state goes on all the time; it is not compared. Stop millrace for that.');
    return done(stateDigest(topology, reader));
  }

  async #readTo(task: Task, goal: number): Promise<void> {
    this.#source.last = goal;
    let told_ms = systemClock.now();
    while (this.#source.position < goal) {
      if (this.#stop.aborted) {
        throw new MillraceError(
          'replay_cancelled',
          'The replay was cancelled; what it had built is removed.',
        );
      }
      this.#applied += await task.step(STEP_WAIT_MS);
      if (systemClock.now() - told_ms >= PROGRESS_INTERVAL_MS) {
        told_ms = systemClock.now();
        const { position } = this.#source;
        this.#context.note(`replay: ${position} of ${goal} (${((100 * position) / goal).toFixed(0)} %)`);
      }
    }
    task.commit();
  }
}

function progressOf(reader: KvReader): Progress | undefined {
  return reader.snapshot((table) => readProgress(table(META_TABLE)));
}

function differentTables(a: StateDigest, b: StateDigest): string[] {
  return Object.keys(a.tables).filter((table) => a.tables[table]?.digest !== b.tables[table]?.digest);
}

export const replayCommand: Command = {
  name: 'replay',
  summary: 'Rebuilds the state from the stream beside the current one, and compares the two',
  details: [
    'Nothing is sent to the outside. With --make-current the next start goes on from the new state.',
    'Exit code 1: the states differ (then nothing is made current, unless --force), or it was cancelled.',
  ],
  options: {
    ...PLACE_OPTIONS,
    ...JSON_OPTION,
    into: { type: 'string', value: 'DIR', help: 'data folder for the new state; default: the same' },
    keep: { type: 'boolean', help: 'leave the new state where it is also when it is not made current' },
    'make-current': { type: 'boolean', help: 'the next start uses the new state' },
    force: { type: 'boolean', help: 'make it current also when it is not the same' },
  },
  run: async (args, context) => {
    const settings = await settingsOf(context.env);
    const into = args.text('into');
    const root = into === undefined ? stateRoot(settings) : join(resolve(into), 'state');
    const stop = context.interruptible();
    const currentPath = layoutOf(settings).partitionPath(PARTITION);
    const current = hasState(currentPath) ? openLmdbReader(currentPath) : undefined;
    const layout = nextGeneration(root, TOPOLOGY_NAME);
    try {
      const replayed = await withNats(settings, context, (link) =>
        new Replay(settings, context, stop, layout, link).run(current),
      );
      tell(replayed, args.flag('json'), context);
      const isFine = replayed.same !== false;
      if (args.flag('make-current') && (isFine || args.flag('force'))) {
        makeCurrent(root, TOPOLOGY_NAME, layout.generation);
        context.note(`Generation ${layout.generation} is current: start millrace again to use it.`);
      } else if (!args.flag('keep')) await rm(layout.path, { recursive: true, force: true });
      return isFine ? 0 : 1;
    } catch (error) {
      await rm(layout.path, { recursive: true, force: true });
      throw error;
    } finally {
      await current?.close();
    }
  },
};

function tell(replayed: Replayed, asJson: boolean, { print }: CommandContext): void {
  if (asJson) {
    print(JSON.stringify(replayed, null, 2));
    return;
  }
  const { generation, path, records, sequence, same, different, digest } = replayed;
  print(`generation ${generation} in ${path}: ${records} records up to ${sequence}, digest ${digest.digest}`);
  if (same === true) print('It is the same as the current state.');
  if (same === false) print(`It differs from the current state in: ${different.join(', ')}.`);
  if (same === undefined) print('There was no current state to compare it with.');
}
