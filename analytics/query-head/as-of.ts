import type { Progress } from '../../engine/index.ts';
import { QueryError } from '../query/index.ts';
import type { AsOf } from './head-schema.ts';
import { INCARNATION_MEMBER, incarnationNumber } from './incarnation.ts';
import { positionOfQueryId, type StreamPosition } from './query-id.ts';

/** The position that an answer is of: that which the query names, else that of the state; `upTo` of the log. */
export interface AnswerPosition {
  readonly position: StreamPosition;
  /** Only rows of this sequence or a smaller one; undefined: all. */
  readonly upTo: number | undefined;
}

/** Throws QueryError `position_unknown`, `position_ahead` or `unknown_query_id`. */
export function answerPosition(
  { as_of }: { readonly as_of?: AsOf | undefined },
  progress: Progress | undefined,
): AnswerPosition {
  const now = positionNow(progress);
  if (as_of === undefined) return { position: now, upTo: undefined };
  const asked: StreamPosition = isQueryId(as_of) ? positionOfQueryId(as_of.query_id) : as_of;
  // An answer of an empty state has no position: nothing had been read.
  let upTo = 0;
  for (const [stream, partitions] of Object.entries(asked)) {
    for (const [partition, sequence] of Object.entries(partitions)) {
      if (partition === INCARNATION_MEMBER) {
        requireIncarnation(sequence, progress, `as_of.${stream}.${partition}`);
        continue;
      }
      const path = `as_of.${stream}.${partition}`;
      const known = now[stream]?.[partition];
      if (known === undefined) {
        const message = `The state is of no partition "${partition}" of a stream "${stream}".`;
        throw new QueryError('position_unknown', message, [{ path, message }]);
      }
      if (sequence > known) {
        const message = `${stream} is applied up to ${known}, not to ${sequence}. Ask with min_position to wait for it.`;
        throw new QueryError('position_ahead', message, [{ path, message }]);
      }
      upTo = sequence;
    }
  }
  return { position: asked, upTo };
}

function positionNow(progress: Progress | undefined): StreamPosition {
  if (progress === undefined) return {};
  const { stream, partition, sequence, incarnation } = progress;
  const of = incarnationNumber(incarnation);
  return { [stream]: { [partition]: sequence, ...(of === undefined ? {} : { [INCARNATION_MEMBER]: of }) } };
}

/** A position of a stream that was deleted and made again is of other events. */
function requireIncarnation(asked: number, progress: Progress | undefined, path: string): void {
  const own = incarnationNumber(progress?.incarnation ?? '');
  if (own === undefined || own === asked) return;
  const message = 'The position is of another stream of that name, which was deleted since.';
  throw new QueryError('position_unknown', message, [{ path, message }]);
}

function isQueryId(as_of: AsOf): as_of is { query_id: string } {
  return typeof as_of.query_id === 'string';
}
