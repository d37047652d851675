import { MillraceError } from './errors.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** More would be more subjects, consumers and states than a server and a process can bear. */
export const PARTITIONS_MAX = 1_024;

/**
 * The partition of a key: FNV-1a, 32 bits, over its bytes (of a text, in UTF-8), modulo their number. The same as
 * `{{partition(n,…)}}` of a subject transform of nats-server gives for the token.
 */
export function partitionOf(key: string | Uint8Array, partitions: number): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return (hash >>> 0) % partitions;
}

/** Throws `bad_partitions` for a number of partitions that no topology can have. */
export function requirePartitions(partitions: number): void {
  if (Number.isSafeInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX) return;
  throw new MillraceError(
    'bad_partitions',
    `A topology has 1 to ${PARTITIONS_MAX} partitions, a whole number; ${partitions} was given.`,
  );
}
