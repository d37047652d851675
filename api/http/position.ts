import { incarnationNumber, INCARNATION_MEMBER as MEMBER } from '../../analytics/index.ts';
import { ORDER_INPUT, WHOLE_STREAM } from '../../runtime/index.ts';

export { incarnationNumber };

/** The stream that positions are of, and the partition of it that this service answers for. */
export const EVENTS_STREAM = ORDER_INPUT.stream;
export const PARTITION = WHOLE_STREAM;
/** Beside the partitions of a stream in a position: which stream of that name it is of. */
export const INCARNATION_MEMBER = MEMBER;

/**
 * A position that asks for everything up to `sequence`. `incarnation` is when the stream was created, as the server says
 * it: the same sequence of a stream that was deleted and made again is another event.
 */
export function positionOf(sequence: number, incarnation?: string): Record<string, Record<string, number>> {
  const of = incarnation === undefined ? undefined : incarnationNumber(incarnation);
  return { [EVENTS_STREAM]: { [PARTITION]: sequence, ...(of === undefined ? {} : { [MEMBER]: of }) } };
}
