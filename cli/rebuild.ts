import { rm } from 'node:fs/promises';
import { JetStreamSource, type NatsLink } from '../connectors/index.ts';
import {
  asMillraceError,
  type ControlSet,
  deadLetterQuarantine,
  type GenerationLayout,
  MillraceError,
  nextGeneration,
  openLmdbReader,
  openLmdbStore,
  type Source,
  stateFileProblems,
} from '../engine/index.ts';
import {
  definitionsOf,
  type Goal,
  goalOf,
  hasState,
  makeRebuiltCurrent,
  type PartitionInput,
  Rebuild,
  stateRoot,
  WHOLE_STREAM,
  withArchive,
} from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { withNats } from './nats.ts';
import { type Place, placeOf, progressOf, statePathOf } from './place.ts';
import { awaitLost, inputsOf, requireGoingOn, tellProgress } from './replay.ts';
import { failingRecordsOf } from './start-topology.ts';

/** Of an input, for a state that stands at a sequence or has read nothing. */
type SourceOf = (input: PartitionInput, position: () => number | undefined) => Source;

/** What can still be read of a state that may be damaged. */
interface Salvaged {
  readonly reached: ReturnType<Rebuild['reachedIn']>;
  readonly definitions: ControlSet | undefined;
}

/**
 * `state rebuild`: builds the state anew from its streams without a look at what the old one says, makes it current,
 * and keeps the old one where it is.
 */
export async function rebuild(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const place = await placeOf(context.env);
  return await withNats(place, context, (link) => rebuildFrom(link, place, args, context));
}

async function rebuildFrom(
  link: NatsLink,
  place: Place,
  args: CommandArguments,
  context: CommandContext,
): Promise<ExitCode> {
  const { name } = place.topology;
  const root = stateRoot(place.dataDir);
  const stop = context.interruptible();
  const inputs = inputsOf(place);
  const sourceOf: SourceOf = ({ stream, filter }, position) =>
    withArchive(
      new JetStreamSource({ link, stream, partition: WHOLE_STREAM, filter_subjects: filter }),
      stream,
      place.archive,
      position,
    );
  for (const input of args.flag('force') ? [] : inputs) {
    await requireWholeStream(sourceOf(input, () => undefined));
  }
  const former = statePathOf(place);
  const layout = nextGeneration(root, name);
  try {
    const records = await build(layout, former, { place, args, context, stop, inputs, sourceOf });
    makeRebuiltCurrent(root, name, layout);
    context.print(`${records} records were read into generation ${layout.generation}, which is current now.`);
    context.print(`The former state stays in ${former}; remove it when you need it no more.`);
    return 0;
  } catch (error) {
    await rm(layout.path, { recursive: true, force: true });
    throw error;
  }
}

interface BuildParts {
  readonly place: Place;
  readonly args: CommandArguments;
  readonly context: CommandContext;
  readonly stop: AbortSignal;
  readonly inputs: readonly PartitionInput[];
  readonly sourceOf: SourceOf;
}

/** Builds a state up to where the former one was, as far as that can be read; else to the end of the streams. */
async function build(layout: GenerationLayout, former: string, parts: BuildParts): Promise<number> {
  const { place, args, context, stop, inputs, sourceOf } = parts;
  const path = layout.partitionPath(WHOLE_STREAM);
  const store = openLmdbStore(path);
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  let definitions: ControlSet | undefined;
  const rebuilt = new Rebuild({
    topology: place.topology,
    control: { current: () => definitions },
    ...{ partition: WHOLE_STREAM, inputs, store, reader },
    sourceOf: (input) => sourceOf(input, () => progressOf(reader)?.sequence),
    quarantine: failingRecordsOf(args) === 'deadLetter' ? deadLetterQuarantine() : undefined,
    requireGoingOn: () => requireGoingOn(stop),
    onProgress: (progress) => tellProgress(progress, context),
  });
  try {
    const end = await rebuilt.ends();
    const { reached, definitions: known } = await salvage(former, rebuilt, context);
    definitions = known;
    await rebuilt.readTo(reached === undefined ? end : atMost(goalOf(reached, end), end));
    if (reached === undefined) return rebuilt.applied;
    await rebuilt.followClock(reached);
    await rebuilt.close();
    if (place.file === undefined) {
      const reader = openLmdbReader(former);
      awaitLost({ former: reader, store, reached, end, context });
      await reader.close();
    }
    return rebuilt.applied;
  } finally {
    await rebuilt.close();
    await reader.close();
    await store.close();
  }
}

/** The stream may have lost what the former state had read. */
function atMost(goal: Goal, end: Goal): Goal {
  return Object.fromEntries(Object.entries(goal).map(([node, to]) => [node, Math.min(to, end[node] ?? to)]));
}

async function salvage(path: string, rebuilt: Rebuild, { note }: CommandContext): Promise<Salvaged> {
  const nothing: Salvaged = { reached: undefined, definitions: undefined };
  if (!hasState(path)) return nothing;
  const problems = stateFileProblems(path);
  if (problems.length > 0) {
    note(
      `The former state cannot be opened (${problems[0]}); the new one is built to the end of the streams.`,
    );
    return nothing;
  }
  try {
    const former = openLmdbReader(path);
    try {
      return { reached: rebuilt.reachedIn(former), definitions: definitionsOf(former) };
    } finally {
      await former.close();
    }
  } catch (error) {
    const { code } = asMillraceError(error);
    note(
      `The former state does not say where it was (${code}); the new one is built to the end of the streams.`,
    );
    return nothing;
  }
}

/** Throws `stream_incomplete` where a stream has lost its beginning: the new state would know less than the former. */
async function requireWholeStream(source: Source): Promise<void> {
  const { stream, firstSequence } = await source.facts();
  await source.stop();
  if (firstSequence <= 1) return;
  throw new MillraceError(
    'stream_incomplete',
    `Stream "${stream}" begins with message ${firstSequence}: a state that is built from it lacks what was before. ` +
      'Restore the stream or the state from a backup, or rebuild from what there is with --force.',
  );
}
