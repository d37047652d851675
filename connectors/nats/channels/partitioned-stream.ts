import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { MillraceError, requirePartitions } from '../../../engine/index.ts';
import {
  createStream,
  layoutOf,
  type NatsLink,
  openManager,
  placed,
  placementOf,
  replicasFor,
  requirePatterns,
} from '../client/index.ts';

export interface PartitionedStreamSpec {
  readonly stream: string;
  /** What publishers send to, with a `*` for each part that differs, e.g. `ev.*.*`. */
  readonly subject: string;
  /** Which of its `*` are the key, counted from 1. */
  readonly partitionBy: readonly number[];
  readonly partitions: number;
}

/** How a stream puts what is published into partitions: stored as `p.<partition>.<the other parts>`. Throws `bad_config`. */
export function transformOf({ stream, subject, partitionBy, partitions }: PartitionedStreamSpec) {
  requirePartitions(partitions);
  requirePatterns(`the source of "${stream}"`, [subject]);
  const wildcards = subject.split('.').filter((token) => token === '*').length;
  const isKnown = partitionBy.every((at) => Number.isSafeInteger(at) && at >= 1 && at <= wildcards);
  if (partitionBy.length === 0 || !isKnown || subject.includes('>')) {
    throw new MillraceError(
      'bad_config',
      `The source of "${stream}" is divided by the parts ${partitionBy.join(', ')} of "${subject}", which has ${wildcards} ` +
        '"*": name some of these, counted from 1, of a subject without ">".',
    );
  }
  const rest = Array.from({ length: wildcards }, (_, at) => at + 1).filter((at) => !partitionBy.includes(at));
  const kept = rest.length === 0 ? ['event'] : rest.map((at) => `{{wildcard(${at})}}`);
  return {
    src: subject,
    dest: ['p', `{{partition(${partitions},${partitionBy.join(',')})}}`, ...kept].join('.'),
  };
}

/**
 * The stream of a partitioned topology, made if it is not there. Gives its layout. Throws `layout_missing` for an existing
 * stream that divides keys otherwise, or not at all: nothing is changed in place, for keys would move.
 */
export async function ensurePartitionedStream(link: NatsLink, spec: PartitionedStreamSpec): Promise<string> {
  const wanted = transformOf(spec);
  const manager = await openManager(link);
  const { replicas, placement } = placed(link, { replicas: replicasFor(link) });
  await createStream(manager, {
    name: spec.stream,
    subjects: [spec.subject],
    subject_transform: wanted,
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
    ...placementOf({ placement }),
    allow_direct: true,
  });
  const { config } = await manager.streams.info(spec.stream);
  const { src, dest } = config.subject_transform ?? {};
  if (src === wanted.src && dest === wanted.dest) return layoutOf(config);
  const has = src === undefined ? 'has no subject transform' : `has the transform ${src} to ${dest}`;
  throw new MillraceError(
    'layout_missing',
    `The stream "${spec.stream}" ${has}, and a topology of ${spec.partitions} partitions reads one with ${wanted.src} to ` +
      `${wanted.dest}. Let a start make another stream (another name, subjects of its own), and copy what this one has into ` +
      'it; do not change the transform of a stream that is read already.',
  );
}
