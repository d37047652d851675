import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { awaitLostEvents } from '../analytics/index.ts';
import { JetStreamSource, jetstreamInputs, type NatsLink } from '../connectors/index.ts';
import {
  asMillraceError,
  type ControlSet,
  currentGeneration,
  deadLetterQuarantine,
  type GenerationLayout,
  type KvReader,
  type KvStore,
  META_TABLE,
  MillraceError,
  nextGeneration,
  openLmdbReader,
  openLmdbStore,
  type Quarantine,
  readGaps,
  type StateDigest,
  stateDigest,
  systemClock,
} from '../engine/index.ts';
import {
  definitionsOf,
  type Goal,
  goalOf,
  hasState,
  makeRebuiltCurrent,
  ORDER_INPUT,
  offeredGeneration,
  offerGeneration,
  type PartitionInput,
  type Reached,
  type ReadProgress,
  Rebuild,
  runningPid,
  stateRoot,
  WHOLE_STREAM,
  withArchive,
  withdrawOffer,
} from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { withNats } from './nats.ts';
import { type Place, placeOf, progressOf, statePathOf } from './place.ts';
import { failingRecordsOf } from './start-topology.ts';

/** Rounds of catching up with a state that goes on, before the comparison is given up. */
const MAX_ROUNDS = 10;
/** How often it is looked whether a process has taken a generation over, ms. */
const OFFER_POLL_MS = 100;

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
  /** The new state is to take the place of the current one. */
  readonly makesCurrent: boolean;
}

/** Rebuilds `layout` up to where the current state stands, and compares the two. */
async function replayInto(
  layout: GenerationLayout,
  current: KvReader | undefined,
  { place, context, link, stop, quarantine, makesCurrent }: ReplayParts,
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
      if (after !== undefined && makesCurrent && place.file === undefined) {
        await rebuild.close();
        awaitLost({ former: current, store, reached: after, end, context });
      }
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
    const replayed = await replayInto(layout, current, {
      ...{ place, context, link, stop, quarantine },
      makesCurrent: args.flag('make-current'),
    });
    tell(replayed, args.flag('json'), context);
    const isFine = replayed.same !== false;
    if (args.flag('make-current') && (isFine || args.flag('force'))) {
      await makeItCurrent(root, place, layout, into === undefined, context);
    } else if (!args.flag('keep')) await rm(layout.path, { recursive: true, force: true });
    return isFine ? 0 : 1;
  } catch (error) {
    await rm(layout.path, { recursive: true, force: true });
    throw error;
  } finally {
    await current?.close();
  }
}

/** A process that runs the topology goes on with it at once; else the next start does. */
async function makeItCurrent(
  root: string,
  { topology: { name }, dataDir, file }: Place,
  layout: GenerationLayout,
  isInPlace: boolean,
  context: CommandContext,
): Promise<void> {
  const { generation } = layout;
  const pid = isInPlace ? runningPid(dataDir, name, systemClock.now()) : undefined;
  if (pid === undefined || file === undefined) {
    makeRebuiltCurrent(root, name, layout);
    const isOther = pid === undefined ? '' : ' (POST /jobs/backfill does this without a restart)';
    context.note(`Generation ${generation} is current: start millrace again to use it${isOther}.`);
    return;
  }
  offerGeneration(root, name, generation);
  context.note(`The process ${pid} is asked to go on with generation ${generation}.`);
  while (offeredGeneration(root, name) === generation) {
    if (runningPid(dataDir, name, systemClock.now()) === pid) await sleep(OFFER_POLL_MS);
    else withdrawOffer(root, name);
  }
  if (currentGeneration(root, name).generation === generation) {
    context.note(`Generation ${generation} is current, and the process ${pid} answers from it.`);
    return;
  }
  throw new MillraceError(
    'take_over_failed',
    `The process ${pid} did not go on with generation ${generation}: its log says why. Replay again.`,
  );
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

interface Lost {
  /** It does not go on meanwhile. */
  readonly former: KvReader;
  readonly store: KvStore;
  readonly reached: Reached;
  readonly end: Goal;
  readonly context: CommandContext;
}

/** Has the new state wait for the events that the former one knew and the stream has lost. */
export function awaitLost({ former, store, reached, end, context }: Lost): void {
  const { stream, incarnation, sequence } = reached.progress;
  try {
    const events = former.snapshot((table) => {
      const gaps = readGaps(table(META_TABLE)).filter(({ kind }) => kind !== 'removed');
      const behind = end[ORDER_INPUT.node] ?? 0;
      // What is not in the stream any more lies there, where anybody has said so.
      const firsts = [...gaps.map(({ first }) => first), ...(behind < sequence ? [behind + 1] : [])];
      const first = firsts.length === 0 ? 1 : Math.min(...firsts);
      const range = { stream, incarnation, first, last: sequence, found_at_ms: systemClock.now() };
      return awaitLostEvents(table, store, range);
    });
    if (events === 0) return;
    context.note(
      `The former state had ${events} events that the stream has lost: publish them again. GET /gaps counts those ` +
        'that are missing (`not_rebuilt`).',
    );
  } catch (error) {
    const { code } = asMillraceError(error);
    context.note(
      `What the former state knew cannot be read (${code}): nobody says which events are missing.`,
    );
  }
}
