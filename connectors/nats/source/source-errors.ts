import { JetStreamApiError } from '@nats-io/jetstream';
import { MillraceError } from '../../../engine/index.ts';
import { describe, isConsumersFull } from '../client/index.ts';

/** What the server has not answered it may answer later; what it has refused is for a person to look at. */
export function named(error: unknown, stream: string): unknown {
  if (isConsumersFull(error)) {
    return new MillraceError(
      'stream_consumers_full',
      `Stream "${stream}", or its account, has as many consumers as it may (max_consumers): raise the limit, or remove ` +
        'those that nobody reads ("nats consumer ls"). Those of a process that was killed go after 5 minutes; it is tried again.',
      { cause: error, retriable: true },
    );
  }
  if (error instanceof MillraceError || (error instanceof JetStreamApiError && error.status < 500))
    return error;
  const message = `Stream "${stream}" cannot be read at the moment: ${describe(error)}. It is tried again; see whether the server is there.`;
  return new MillraceError('stream_unavailable', message, { cause: error, retriable: true });
}

/** A consumer goes only forward. What was passed may be committed by now, and is not read again. */
export const wentBackError = (stream: string, sequence: number, received: number): MillraceError =>
  new MillraceError(
    'stream_went_back',
    `The server has sent message ${sequence} of stream "${stream}", which was read up to sequence ` +
      `${received}: the stream lost messages and their numbers were given again (a power cut, a restored ` +
      'backup), or the server had passed it over. Restore the stream from its backup, or replay it, and ' +
      'start again.',
  );

/** Deleted while it was read. */
export const missingError = (stream: string, cause: unknown): MillraceError =>
  new MillraceError(
    'stream_missing',
    `Stream "${stream}" is not on the server any more. Restore it from its backup: it is read on where it was. Made anew ` +
      'it is another one, of other events, which needs a state of its own.',
    { cause, retriable: true },
  );

export const closedError = (url: string): MillraceError =>
  new MillraceError('nats_connection_closed', `The connection to ${url} was closed under a source.`, {
    retriable: true,
  });

export function layoutError(
  stream: string,
  found: string | undefined,
  wanted: string | undefined,
): MillraceError {
  return new MillraceError(
    'layout_changed',
    `The stream "${stream}" divides keys into partitions in another way (${found ?? 'in none'}) than when this process began ` +
      `to read it (${wanted ?? 'in none'}): keys have moved to other partitions. Put its subject transform back as it was, and ` +
      'build the states anew from a stream that never had another one.',
  );
}
