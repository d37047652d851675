import { MillraceError } from '../../engine/index.ts';
import type { Shard, ShardPlace, StreamSummary } from './kinesis-client.ts';
import type { KinesisConfig, KinesisPosition, ShardPosition } from './kinesis-config.ts';

/** Where a first run begins: at the oldest records, or at those that arrive from now on. */
export function firstPosition(
  { start }: Pick<KinesisConfig, 'start'>,
  { created_ms }: StreamSummary,
  shards: readonly Shard[],
  now_ms: number,
): KinesisPosition {
  if (start === 'earliest') return { created_ms, shards: {} };
  const positions = shards.map(({ id, isClosed }): [string, ShardPosition] => [
    id,
    isClosed ? { done: true } : { from_ms: now_ms },
  ]);
  return { created_ms, shards: Object.fromEntries(positions) };
}

/**
 * The position of a later run in the stream as it is: what is not there any more is forgotten. Throws
 * `kinesis_stream_replaced` and `kinesis_records_gone`, unless the config says to go on.
 */
export function laterPosition(
  { on_gap, stream }: KinesisConfig,
  { created_ms, retention_ms }: StreamSummary,
  shards: readonly Shard[],
  kept: KinesisPosition,
  now_ms: number,
): KinesisPosition {
  if (kept.created_ms !== created_ms) {
    if (on_gap === 'skip') return { created_ms, shards: {} };
    throw gap(
      'kinesis_stream_replaced',
      `The stream ${stream} is another one than was read: it was made again`,
    );
  }
  const there = new Set(shards.map(({ id }) => id));
  const gone = Object.entries(kept.shards).find(
    ([id, { done, read_until_ms }]) =>
      done === undefined &&
      (!there.has(id) || (read_until_ms !== undefined && read_until_ms < now_ms - retention_ms)),
  );
  if (gone !== undefined && on_gap === 'stop') {
    throw gap('kinesis_records_gone', `Records of ${gone[0]} may have expired before they were read`);
  }
  return pruned(kept, shards);
}

/** Without shards that are gone. */
export function pruned(position: KinesisPosition, shards: readonly Shard[]): KinesisPosition {
  const there = new Set(shards.map(({ id }) => id));
  const left = Object.entries(position.shards).filter(([id]) => there.has(id));
  return { ...position, shards: Object.fromEntries(left) };
}

/**
 * The shards that are read now. One that was made of others waits until these are read to their end, so that the records
 * of a key stay in their order.
 */
export function readable(shards: readonly Shard[], { shards: positions }: KinesisPosition): readonly Shard[] {
  const there = new Set(shards.map(({ id }) => id));
  const isDone = (id: string): boolean => positions[id]?.done === true;
  return shards.filter(
    ({ id, parents }) => !isDone(id) && parents.every((parent) => !there.has(parent) || isDone(parent)),
  );
}

export function placeOf(position: ShardPosition | undefined): ShardPlace {
  if (position?.after !== undefined) return { kind: 'after', sequence: position.after };
  if (position?.from_ms !== undefined) return { kind: 'time', at_ms: position.from_ms };
  return { kind: 'oldest' };
}

const gap = (code: string, why: string): MillraceError =>
  new MillraceError(code, `${why}. Set \`on_gap\` to "skip" to go on with what there is.`);
