import { covers, type JetStreamInput, overlap, type StreamLook } from '../../connectors/index.ts';
import type { SentSubject } from '../../engine/index.ts';
import type { Cause } from '../why/index.ts';

/** What of a topology and its streams does not fit together. */
export interface EdgeProblem extends Cause {
  /** It can never work, so that a start refuses it; else it may come right later, and `why` says what waits. */
  readonly stops: boolean;
}

export interface EdgeFacts {
  readonly inputs: readonly InputEdge[];
  readonly sends: readonly OutputEdge[];
}

/** A source, and its stream as it is on the server. */
export type InputEdge = Pick<JetStreamInput, 'node' | 'stream' | 'subjects' | 'filter'> & {
  /** Undefined: not known. */
  readonly look: StreamLook | undefined;
};

export type OutputEdge = SentSubject & {
  /** Whether a stream takes some of what it sends; undefined: not known. */
  readonly isTaken: boolean | undefined;
};

/** What of the edges does not fit. Pure. */
export function edgeProblems({ inputs, sends }: EdgeFacts): readonly EdgeProblem[] {
  return [
    ...inputs.flatMap(filterProblem),
    ...sends.flatMap((sent) => [
      ...inputs.flatMap((input) => loopProblem(sent, input)),
      ...takerProblem(sent),
    ]),
  ];
}

/** What the stream takes; where it is not there, or not known, at least what the source has it made for. */
const taken = ({ look, subjects }: InputEdge): readonly string[] =>
  look?.kind === 'there' ? look.subjects : subjects;

function filterProblem(input: InputEdge): readonly EdgeProblem[] {
  const { node, stream, filter, look } = input;
  // What is not known, or comes from elsewhere, may be of any subject.
  if (look === undefined || look.kind === 'forbidden') return [];
  if (look.kind === 'there' && (look.isFed || (look.matching ?? 0) > 0)) return [];
  const subjects = taken(input);
  const outside = filter.filter((wanted) => subjects.every((subject) => !overlap(wanted, subject)));
  if (outside.length === 0) return [];
  return [
    {
      code: 'filter_outside_stream',
      place: `source "${node}" (stream ${stream})`,
      sentence: `The source reads ${outside.join(', ')}, and the stream takes only ${subjects.join(', ')}.`,
      next: 'Correct the filter of the source, or add the subject to the stream.',
      stops: outside.length === filter.length,
    },
  ];
}

/** What would be read again, and sent again, without an end. What only may come back is not refused. */
function loopProblem(sent: OutputEdge, input: InputEdge): readonly EdgeProblem[] {
  const { subject, node, sources, isFeedback = false } = sent;
  if (isFeedback || !sources.includes(input.node)) return [];
  const isIn = (patterns: readonly string[]): boolean => patterns.some((each) => covers(each, subject));
  if (!isIn(taken(input)) || (input.filter.length > 0 && !isIn(input.filter))) return [];
  const reads = (input.filter.length > 0 ? input.filter : taken(input)).join(', ');
  const isLetter = overlap(subject, 'deadletter.>');
  return [
    {
      code: 'subject_loop',
      place: `operator "${node}"`,
      sentence:
        `${isLetter ? 'Its dead letters go' : 'It sends'} to ${subject}, which the source "${input.node}" before it reads ` +
        `(stream ${input.stream}: ${reads}): each would lead to the next, without an end.`,
      next: isLetter
        ? 'Give the source a filter without them, or parse with `map`, which sends none, what are dead letters.'
        : 'Send to another subject, or give the source a filter without it. Where it is meant and has an end, say `feedback: true`.',
      stops: true,
    },
  ];
}

function takerProblem({ subject, node, isTaken }: OutputEdge): readonly EdgeProblem[] {
  if (isTaken !== false) return [];
  return [
    {
      code: 'no_stream_for_subject',
      place: `operator "${node}"`,
      sentence: `No stream of this account takes ${subject}: what it sends there waits until one does.`,
      next: `Make one, or let a start make it: --stream NAME=${subject}, or the option streams of run.`,
      stops: false,
    },
  ];
}
