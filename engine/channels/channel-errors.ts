import { MillraceError } from '../base/index.ts';
import { type Place, placeText } from './place.ts';

/** Another owner has taken the task over: its channels have blocks of a later epoch. */
export function fenced(subject: string, own: number, seen: number): MillraceError {
  return new MillraceError(
    'fenced',
    `The channel "${subject}" has a block of epoch ${seen}, this task has ${own}: another owner has taken over. It goes on ` +
      'as a standby.',
  );
}

/** The last message of a channel is gone, or older than what was known to be stored. */
export function channelEndMissing(subject: string, has: Place | undefined, from: Place): MillraceError {
  const found = has === undefined ? 'has no message' : `ends at ${placeText(has)}`;
  return new MillraceError(
    'channel_end_missing',
    `The channel "${subject}" ${found}, and had everything up to ${placeText(from)}: its last messages were removed (a ` +
      'purge, a stream that was restored or made again). Restore the stream of the cut from its backup; or build all ' +
      'stages anew: stop all tasks, delete the streams of the cuts, move the states away and start again.',
  );
}

/** It passes where the answer was that of a server which had been away; else it becomes `channel_end_missing`. */
export function endIsBehind(subject: string): MillraceError {
  return new MillraceError(
    'channel_end_behind',
    `The channel "${subject}" is said to end before what was stored in it. It is asked again.`,
    { retriable: true },
  );
}

/** Blocks between two of a channel never came. */
export function channelGap(subject: string, has: Place, from: Place): MillraceError {
  return new MillraceError(
    'channel_gap',
    `The channel "${subject}" goes on behind ${placeText(from)}, and was read up to ${placeText(has)}: what lies between ` +
      'was removed from the stream of the cut before it was read (a purge, a limit that somebody changed). Restore the ' +
      'stream from its backup and the state from a snapshot; or build all stages anew: stop all tasks, delete the streams ' +
      'of the cuts, move the states away and start again.',
  );
}

export function unknownProducer(subject: string, producers: number): MillraceError {
  return new MillraceError(
    'unknown_producer',
    `A message on "${subject}" is of none of the ${producers} tasks of the stage before: another number of partitions, or ` +
      'another program, publishes to the channels of this topology.',
  );
}

export function rowTooLarge(cut: string, size_bytes: number, max_bytes: number): MillraceError {
  return new MillraceError(
    'channel_row_too_large',
    `An item for the cut "${cut}" has ${size_bytes} bytes; ${max_bytes} are possible. Send less of it through the cut (an ` +
      'id, and look the rest up behind it).',
  );
}
