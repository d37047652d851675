import { overlap, type StreamLook } from '../../connectors/index.ts';
import { type InputPosition, inputPositions, type Progress } from '../../engine/index.ts';
import type { Counts } from './counts.ts';
import type { Cause, InputFacts, WhyFacts } from './facts.ts';

/** Messages that wait from which on a task is said to catch up: a second's work is no reason for silence. */
const CATCHING_UP_MESSAGES = 50_000;

/** What is wrong between the streams and the sources. */
export function streamCauses(facts: WhyFacts, counts: Counts): readonly Cause[] {
  const positions = positionsOf(facts);
  const causes = facts.inputs.flatMap((input) => {
    const found = lookCause(input, counts) ?? positionCause(input, positions.get(input.node));
    return found === undefined ? [] : [{ ...found, place: placeOf(input) }];
  });
  return [...causes, ...readingCauses(facts, counts)];
}

type Told = Omit<Cause, 'place'>;

const placeOf = ({ node, stream }: InputFacts): string => `source "${node}" (stream ${stream})`;

function positionsOf({ progress, topology, inputs }: WhyFacts): ReadonlyMap<string, InputPosition> {
  const nodes = inputs.map(({ node }) => node);
  return inputPositions(progress, topology, nodes);
}

function lookCause({ node, stream, filter, look }: InputFacts, counts: Counts): Told | undefined {
  if (look === undefined) return undefined;
  if (look.kind === 'missing') {
    return {
      code: 'stream_missing',
      sentence: `The stream ${stream} is not on the server.`,
      next: 'Make it, restore it from its backup, or correct its name; a start makes it too.',
    };
  }
  if (look.kind === 'forbidden') {
    return {
      code: 'no_permission',
      sentence: `The credentials may not look at the stream ${stream}: ${look.message}`,
      next: 'Grant the permissions that docs/operations.md lists for a topology.',
    };
  }
  if (look.paused.length > 0) {
    return {
      code: 'consumer_paused',
      sentence: `Somebody has paused the consumer ${look.paused.join(', ')} of the stream.`,
      next: `Resume it: "nats consumer resume ${stream} ${look.paused[0]}".`,
    };
  }
  if (look.lastSequence === 0) {
    return {
      code: 'no_messages',
      sentence: `No message was ever published to the stream; it takes ${look.subjects.join(', ')}.`,
      next: `Publish to one of its subjects; "nats stream view ${stream}" shows what comes.`,
    };
  }
  // What was read before the start of the task does not come again.
  return counts.emitted(node) > 0 ? undefined : filterCause(filter, look);
}

function filterCause(filter: readonly string[], look: StreamLook & { kind: 'there' }): Told | undefined {
  if (look.matching !== 0 || look.messages === 0) return undefined;
  const isOutside =
    !look.isFed && filter.every((wanted) => look.subjects.every((subject) => !overlap(wanted, subject)));
  const shown = filter.join(', ');
  return isOutside
    ? {
        code: 'filter_outside_stream',
        sentence: `The source reads ${shown}, and the stream takes only ${look.subjects.join(', ')}.`,
        next: 'Correct the filter of the source, or add the subject to the stream.',
      }
    : {
        code: 'filter_matches_none',
        sentence: `None of the ${look.messages} messages of the stream is of ${shown}.`,
        next: 'Correct the filter of the source, or the subject that is published to.',
      };
}

function positionCause({ look }: InputFacts, position: InputPosition | undefined): Told | undefined {
  if (look?.kind !== 'there' || position === undefined) return undefined;
  if (look.incarnation !== position.incarnation) {
    return {
      code: 'stream_recreated',
      sentence: 'The stream was deleted and made again: its sequence numbers mean other messages.',
      next: 'Restore it from its backup, or rebuild the state: "millrace replay --make-current --force".',
    };
  }
  if (look.lastSequence >= position.sequence) return undefined;
  return {
    code: 'position_ahead_of_stream',
    sentence: `The state has applied message ${position.sequence}, and the stream ends at ${look.lastSequence}.`,
    next: 'Restore the stream from its backup, or rebuild the state: "millrace replay --make-current --force".',
  };
}

function readingCauses({ host, progress }: WhyFacts, counts: Counts): readonly Cause[] {
  if (host === undefined) return [];
  const lag = counts.of('millrace.task.lag');
  const records = counts.of('millrace.task.records');
  const failing = counts.of('millrace.task.failing_records');
  const causes: Cause[] = [];
  const skipped = counts.of('millrace.task.skipped');
  if (skipped > 0) {
    causes.push({
      code: 'messages_skipped',
      place: 'task',
      sentence: `${skipped} messages were removed from the streams before they were read, and are not counted.`,
      next: "Raise the stream's limits, and publish what is missing again; see the notices gap_skipped of health.",
    });
  }
  if (failing > 0 && failing >= records) {
    causes.push({
      code: 'all_records_fail',
      place: 'task',
      sentence: `All ${failing} records were put aside, because an operator throws on them.`,
      next: 'See "millrace deadletters ls --reason processing_failed", and mend the function.',
    });
  }
  if (
    counts.of('millrace.task.sources_held') > 0 &&
    lag > 0 &&
    counts.of('millrace.task.uncommitted') === 0
  ) {
    causes.push(heldCause(progress, lag));
  } else if (lag > CATCHING_UP_MESSAGES) {
    causes.push({
      code: 'catching_up',
      place: 'task',
      sentence: `${lag} messages wait in the streams, and are processed before newer ones.`,
      next: 'Wait: millrace_task_lag falls. Where it rises, the load is more than the task can take.',
    });
  }
  return causes;
}

function heldCause(progress: Progress | undefined, lag: number): Cause {
  const [slowest] = Object.entries(progress?.watermarks ?? {}).sort(([, a], [, b]) => a - b);
  const by = slowest === undefined ? 'another source without a watermark' : `the watermark "${slowest[0]}"`;
  return {
    code: 'source_paused',
    place: slowest === undefined ? 'task' : `operator "${slowest[0]}"`,
    sentence: `A source is paused with ${lag} messages to read: it is ahead in event time of ${by}.`,
    next: 'Publish to the source that is behind, or give its watermark a shorter idle_ms.',
  };
}
