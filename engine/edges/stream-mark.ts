import { hash } from 'node:crypto';
import type { SourceRecord } from './source.ts';
import { StreamGapError } from './stream-gap.ts';

/** Tells a message of a stream from another one that was given its sequence. */
export interface StreamMark {
  readonly sequence: number;
  /** When the stream stored it, ms. */
  readonly stored_ms: number;
  /** Of subject and payload. */
  readonly hash: string;
}

/** Marks that a position keeps: of its own message, and of earlier ones, ever further apart. */
export const MARKS_MAX = 8;
const HASH_CHARS = 24;

/** The mark of a record; undefined where its source does not know when it was stored. */
export function markOf({ sequence, stored_ms, subject, data }: MarkedMessage): StreamMark | undefined {
  if (stored_ms === undefined) return undefined;
  const bytes = Buffer.concat([Buffer.from(`${subject}\0`), data]);
  return { sequence, stored_ms, hash: hash('sha256', bytes, 'base64url').slice(0, HASH_CHARS) };
}

type MarkedMessage = Pick<SourceRecord, 'sequence' | 'stored_ms' | 'subject' | 'data'>;

/** Adds the newest mark; of more than `MARKS_MAX` the one goes whose neighbours are nearest for their age. */
export function withMark(marks: readonly StreamMark[], mark: StreamMark): readonly StreamMark[] {
  const all = [...marks, mark];
  if (all.length <= MARKS_MAX) return all;
  const at = (index: number): number => all[index]?.sequence ?? 0;
  const density = (index: number): number =>
    (at(index + 1) - at(index - 1)) / (mark.sequence - at(index - 1) + 1);
  let worst = 1;
  for (let index = 2; index < all.length - 1; index++) if (density(index) < density(worst)) worst = index;
  return all.filter((_, index) => index !== worst);
}

/**
 * Compares what a stream has now with what was read of it. Throws `stream_replaced` where a sequence has another message:
 * an older copy of the stream was restored, and messages were published since. A message that is not there any more says
 * nothing. `read` is the last sequence that was read.
 */
export function compareMarks(
  stream: string,
  read: number,
  marks: readonly StreamMark[],
  found: ReadonlyMap<number, Pick<StreamMark, 'stored_ms' | 'hash'>>,
): void {
  const isSame = (mark: StreamMark): boolean | undefined => {
    const now = found.get(mark.sequence);
    return now === undefined ? undefined : now.stored_ms === mark.stored_ms && now.hash === mark.hash;
  };
  const other = marks.find((mark) => isSame(mark) === false);
  if (other === undefined) return;
  const common = marks.filter((mark) => mark.sequence < other.sequence && isSame(mark) === true).at(-1);
  const first = (common?.sequence ?? 0) + 1;
  throw new StreamGapError(
    'stream_replaced',
    `Message ${other.sequence} of stream "${stream}" is another one than was read: an older copy of the stream was ` +
      `restored, and messages were published since. Up to ${first - 1} it is the same. What was read from ${first} to ` +
      `${read} is counted and is not in the stream any more; what the stream has there now is not counted. Restore the ` +
      'newer copy, or publish what is missing again and rebuild the state: "millrace replay --make-current --force".',
    { first, last: read },
  );
}
