import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { JetStreamSource, jetstreamInputs, type NatsLink } from '../connectors/index.ts';
import {
  type ControlSet,
  deadLetterQuarantine,
  type GenerationLayout,
  type KvReader,
  MillraceError,
  nextGeneration,
  openLmdbReader,
  openLmdbStore,
  type Quarantine,
  type StateDigest,
  stateDigest,
} from '../engine/index.ts';
import {
  definitionsOf,
  goalOf,
  hasState,
  makeRebuiltCurrent,
  ORDER_INPUT,
  type PartitionInput,
  type ReadProgress,
  Rebuild,
  stateRoot,
  WHOLE_STREAM,
  withArchive,
} from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { withNats } from './nats.ts';
import { type Place, placeOf, progressOf, statePathOf } from './place.ts';
import { failingRecordsOf } from './start-topology.ts';

/** Rounds of catching up with a state that goes on, before the comparison is given up. */
const MAX_ROUNDS = 10;

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

interface ReplayParts {
  readonly place: Place;
  readonly context: CommandContext;
  readonly link: NatsLink;
  readonly stop: AbortSignal;
  readonly quarantine: Quarantine | undefined;
}

/** Rebuilds `layout` up to where the current state stands, and compares the two. */
async function replayInto(
  layout: GenerationLayout,
  current: KvReader | undefined,
  { place, context, link, stop, quarantine }: ReplayParts,
): Promise<Replayed> {
  const path = layout.partitionPath(WHOLE_STREAM);
  const store = openLmdbStore(path);
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  const inputs = inputsOf(place);
  const { topology } = place;
  let definitions: ControlSet | undefined;
  const rebuild = new Rebuild({
    topology,
    control: { current: () => definitions },
    partition: WHOLE_STREAM,
    inputs,
    sourceOf: ({ stream, filter }) =>
      withArchive(
        new JetStreamSource({ link, stream, partition: WHOLE_STREAM, filter_subjects: filter }),
        stream,
        place.archive,
        () => progressOf(reader)?.sequence,
      ),
    store,
    reader,
    quarantine,
    requireGoingOn: () => requireGoingOn(stop),
    onProgress: (progress) => tellProgress(progress, context),
  });
  const done = (digest: StateDigest, other?: StateDigest): Replayed => {
    const positions = rebuild.reached()?.positions;
    const position = inputs.map(({ node, stream }) => [stream, positions?.get(node)?.sequence ?? 0]);
    return {
      generation: layout.generation,
      path: layout.path,
      records: rebuild.applied,
      position: Object.fromEntries(position),
      digest,
      same: other === undefined ? undefined : other.digest === digest.digest,
      different: other === undefined ? [] : differentTables(digest, other),
      followed_clock: rebuild.followedClock,
    };
  };
  try {
    const end = await rebuild.ends();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = current === undefined ? undefined : rebuild.reachedIn(current);
      definitions = current === undefined ? undefined : definitionsOf(current);
      const goal = before === undefined ? end : goalOf(before, end);
      await rebuild.readTo(goal);
      if (before !== undefined) await rebuild.followClock(before);
      const digest = stateDigest(topology, reader);
      if (current === undefined) return done(digest);
      const other = stateDigest(topology, current);
      const after = rebuild.reachedIn(current);
      const hasMoved = after !== undefined && !isDeepStrictEqual(goalOf(after, end), goal);
      const hasAged = after?.progress.watermark_ms !== before?.progress.watermark_ms;
      if (hasMoved || (hasAged && other.digest !== digest.digest)) continue;
      return done(digest, other);
    }
    context.note('The current state goes on all the time; it is not compared. Stop millrace for that.');
    return done(stateDigest(topology, reader));
  } finally {
    await rebuild.close();
    await reader.close();
    await store.close();
  }
}

export function requireGoingOn(stop: AbortSignal): void {
  if (!stop.aborted) return;
  throw new MillraceError('replay_cancelled', 'The replay was cancelled; what it had built is removed.');
}

export function tellProgress(inputs: readonly ReadProgress[], { note }: CommandContext): void {
  const lines = inputs.flatMap(({ stream, position, goal }) =>
    goal === 0 ? [] : [`${stream} ${position} of ${goal} (${((100 * position) / goal).toFixed(0)} %)`],
  );
  note(`replay: ${lines.join(', ')}`);
}

export function inputsOf({ topology, file }: Place): readonly PartitionInput[] {
  return file === undefined ? [ORDER_INPUT] : jetstreamInputs(topology);
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
  const root = stateRoot(into === undefined ? place.dataDir : resolve(into));
  const quarantine = failingRecordsOf(args) === 'deadLetter' ? deadLetterQuarantine() : undefined;
  const stop = context.interruptible();
  const currentPath = statePathOf(place);
  const current = hasState(currentPath) ? openLmdbReader(currentPath) : undefined;
  const layout = nextGeneration(root, name);
  try {
    const replayed = await replayInto(layout, current, { place, context, link, stop, quarantine });
    tell(replayed, args.flag('json'), context);
    const isFine = replayed.same !== false;
    if (args.flag('make-current') && (isFine || args.flag('force'))) {
      makeRebuiltCurrent(root, name, layout);
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
