import { GAP_CHOICE, MillraceError, type StreamFacts, StreamGapError } from '../../../engine/index.ts';

/**
 * Refuses to read on in a stream that changed while it could not be read, with the codes that the engine's
 * own check at start uses. `read` is the last sequence that was received; what follows it may be gone where gaps are
 * allowed, or nothing was read yet.
 */
export function checkContinuity(
  known: StreamFacts,
  now: StreamFacts,
  read: number,
  mayHaveGaps: boolean,
): void {
  const { stream } = now;
  if (now.incarnation !== known.incarnation) {
    throw new MillraceError(
      'stream_recreated',
      `Stream "${stream}" was deleted and created again while it was read (now ${now.incarnation}, ` +
        `before ${known.incarnation}): its sequence numbers mean other events. Restore the stream from ` +
        'its backup and start again.',
    );
  }
  if (now.lastSequence < read) {
    throw new StreamGapError(
      'position_ahead_of_stream',
      `Stream "${stream}" was read up to sequence ${read}, but it ends at ${now.lastSequence} since the ` +
        'server came back: it lost acknowledged messages (a power cut, a restored backup). Restore the ' +
        'stream, publish the missing events again, and start again.',
      { first: now.lastSequence + 1, last: read },
    );
  }
  if (!mayHaveGaps && now.firstSequence > read + 1) {
    throw new StreamGapError(
      'position_before_stream',
      `Stream "${stream}" was read up to sequence ${read}, but its oldest message is now ` +
        `${now.firstSequence}: ${now.firstSequence - read - 1} messages were removed before they were ` +
        `read (retention, a purge) while the source was not connected. Raise the stream's limits, and ` +
        `restore the messages from a backup. ${GAP_CHOICE}`,
      { first: read + 1, last: now.firstSequence - 1 },
    );
  }
}
