/** Beside the partitions of a stream in a position: the number of its incarnation. */
export const INCARNATION_MEMBER = 'incarnation';

/**
 * A stream's incarnation in positions: the microseconds since 1970 at which it was created, as a number that JSON keeps.
 * Undefined for what is no time.
 */
export function incarnationNumber(created: string): number | undefined {
  const at_ms = Date.parse(created);
  if (Number.isNaN(at_ms)) return undefined;
  const fraction = /\.(\d+)/.exec(created)?.[1] ?? '';
  return Math.floor(at_ms / 1_000) * 1_000_000 + Number(`${fraction}000000`.slice(0, 6));
}
