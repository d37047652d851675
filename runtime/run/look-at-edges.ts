import {
  DEADLETTER_STREAM,
  isStreamTaking,
  type JetStreamInput,
  lookAtStream,
  type NatsLink,
  overlap,
} from '../../connectors/index.ts';
import type { SentSubject, Topology } from '../../engine/index.ts';
import type { EdgeFacts, InputEdge, OutputEdge } from './edge-problems.ts';
import type { RunOptions } from './run-options.ts';

/** Where a record that is put aside is sent, see `deadLetterQuarantine`. */
const QUARANTINE_SUBJECT = 'deadletter.default';

export interface EdgePlace {
  readonly topology: Topology;
  readonly inputs: readonly JetStreamInput[];
  /** Undefined: only what the topology itself says is known. */
  readonly link: NatsLink | undefined;
  readonly options: Pick<RunOptions, 'streams' | 'failingRecords'>;
}

/** What the topology and the server say of the edges. Changes nothing. Rejects where the server does not answer. */
export async function lookAtEdges({ topology, inputs, link, options }: EdgePlace): Promise<EdgeFacts> {
  const { streams = {}, failingRecords } = options;
  const looked: InputEdge[] = [];
  for (const input of inputs) {
    looked.push({ ...input, look: link === undefined ? undefined : await lookAt(link, input) });
  }
  const made = [
    ...inputs.map(({ subjects }) => subjects),
    ...Object.values(streams),
    DEADLETTER_STREAM.subjects,
  ];
  const sends: OutputEdge[] = [];
  for (const sent of [...topology.sends(), ...(failingRecords === 'deadLetter' ? putAside(inputs) : [])]) {
    const isMade = made.flat().some((subject) => overlap(subject, sent.subject));
    const isTaken =
      isMade || link === undefined ? isMade || undefined : await isStreamTaking(link, sent.subject);
    sends.push({ ...sent, isTaken });
  }
  return { inputs: looked, sends };
}

/** How many messages match is asked only where it matters: it costs the server a look at all its subjects. */
async function lookAt(link: NatsLink, { stream, filter }: JetStreamInput): Promise<InputEdge['look']> {
  const look = await lookAtStream(link, stream, []);
  if (look.kind !== 'there') return look;
  const isInside = filter.every((wanted) => look.subjects.some((subject) => overlap(wanted, subject)));
  return isInside ? look : await lookAtStream(link, stream, filter);
}

/** Any operator may fail, so records of each source may be put aside. */
const putAside = (inputs: readonly JetStreamInput[]): readonly SentSubject[] =>
  inputs.map(({ node }) => ({ node, kind: 'source', sources: [node], subject: QUARANTINE_SUBJECT }));
