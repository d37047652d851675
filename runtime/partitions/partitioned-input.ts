import type { JetStreamInput } from '../../connectors/index.ts';
import { MillraceError, partitionOf } from '../../engine/index.ts';

/** The log of a partitioned topology: a stream that divides what is published by a part of its subject. */
export interface PartitionedInput {
  readonly node: string;
  readonly stream: string;
  readonly subject: string;
  readonly partitionBy: readonly number[];
  readonly partitions: number;
}

/** Throws `not_partitioned_input` where the source says not how its stream is divided, or cannot be divided. */
export function partitionedInput(
  topology: string,
  partitions: number,
  [input]: readonly JetStreamInput[],
): PartitionedInput {
  const [subject, another] = input?.subjects ?? [];
  const { partitionBy, filter = [] } = input ?? {};
  const isWhole = another === undefined && filter.length === 0;
  if (input === undefined || subject === undefined || partitionBy === undefined || !isWhole) {
    throw new MillraceError(
      'not_partitioned_input',
      `The topology "${topology}" has ${partitions} partitions, and its source does not say by what its stream is divided: ` +
        'give it one subject, no filter, and partitionBy, e.g. jetstream("ORDERS", { subjects: ["orders.*.*"], ' +
        'partitionBy: [1] }).',
    );
  }
  return { node: input.node, stream: input.stream, subject, partitionBy, partitions };
}

const KEYS_MAX = 1_000_000;

/**
 * What a tick for a partition is published to: a key of that partition, and `tick` for every other part of the subject.
 * Undefined where the subject has no other part: then a tick could not be told from a message.
 */
export function tickSubject(
  { subject, partitionBy, partitions }: PartitionedInput,
  partition: number,
): string | undefined {
  const tokens = subject.split('.');
  const wildcards = tokens.flatMap((token, at) => (token === '*' ? [at] : []));
  if (wildcards.length <= partitionBy.length) return undefined;
  const [first, ...others] = partitionBy;
  for (let number = 0; number < KEYS_MAX; number++) {
    // The server hashes the parts one behind the other.
    const key = `tick${number}`;
    if (partitionOf(key + 'x'.repeat(others.length), partitions) !== partition) continue;
    for (const [index, at] of wildcards.entries()) {
      tokens[at] = index + 1 === first ? key : others.includes(index + 1) ? 'x' : 'tick';
    }
    return tokens.join('.');
  }
  return undefined;
}
