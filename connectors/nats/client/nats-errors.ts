import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from 'nats';
import { MillraceError } from '../../../engine/index.ts';

/** JetStream's own numbers of the errors that are told apart here; the library names only some of them. */
const API_CODES = {
  streamNotFound: 10059,
  messageTooLarge: 10054,
  storeFailed: 10077,
  storageExceeded: 10047,
  memoryExceeded: 10028,
  resourcesExceeded: 10023,
  noPeers: 10005,
  /** Of status 500, though the server will never take it. */
  invalidConfig: 10052,
  consumersFull: 10026,
  inactiveTooLong: 10153,
  nameInUse: 10058,
  subjectsOverlap: 10065,
  /** Its number is not among the stream's messages: asked for, and to be deleted. */
  noMessage: 10037,
  noSequence: 10043,
  notDeleted: 10057,
  wrongLastSequence: 10071,
  wrongLastSequenceUnknown: 10164,
} as const;

const hasCode = (thrown: unknown, ...codes: readonly number[]): boolean =>
  thrown instanceof JetStreamApiError && codes.includes(thrown.code);

export const isStreamNotFound = (thrown: unknown): boolean => hasCode(thrown, API_CODES.streamNotFound);

/** The stream does not have a message that was to be deleted. */
export const isNoMessage = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.noMessage, API_CODES.noSequence, API_CODES.notDeleted);

export const isNameInUse = (thrown: unknown): boolean => hasCode(thrown, API_CODES.nameInUse);

export const isSubjectsOverlap = (thrown: unknown): boolean => hasCode(thrown, API_CODES.subjectsOverlap);

/** A request that the server will not take later either: what is asked for is wrong, or more than the account may have. */
export const isRefusedRequest = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.invalidConfig) || (thrown instanceof JetStreamApiError && thrown.status < 500);

/** The server has no room for so large a stream. */
export const isNoRoom = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.storageExceeded, API_CODES.memoryExceeded);

/** No servers fit what is asked of them: their number, or their tags. A smaller stream would have no place either. */
export const isNoPeers = (thrown: unknown): boolean => hasCode(thrown, API_CODES.noPeers);

/** A cluster has no place for a stream: no server has the room, or servers are away or coming up. */
export const isNotPlaced = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.resourcesExceeded, API_CODES.noPeers);

/** A stream or an account has as many consumers as it may. */
export const isConsumersFull = (thrown: unknown): boolean => hasCode(thrown, API_CODES.consumersFull);

/** A stream lets its consumers be unused for less time than was asked for. */
export const isInactiveTooLong = (thrown: unknown): boolean => hasCode(thrown, API_CODES.inactiveTooLong);

/** A compare-and-set that lost: somebody else wrote the subject since the expected sequence. */
export const isWrongLastSequence = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.wrongLastSequence, API_CODES.wrongLastSequenceUnknown);

/** A subject has as many messages as its stream lets it have, and nothing was stored. */
export const isChannelFull = (thrown: unknown): boolean =>
  hasCode(thrown, API_CODES.storeFailed) && describe(thrown).includes('maximum messages per subject');

const isStreamFull = (thrown: unknown): boolean =>
  hasCode(
    thrown,
    API_CODES.storageExceeded,
    API_CODES.memoryExceeded,
    API_CODES.resourcesExceeded,
    API_CODES.storeFailed,
  );

export const describe = (thrown: unknown): string =>
  thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);

/**
 * What the server or the client said of one publish, if repeating the publish cannot help. Undefined when
 * it may have been stored or may be stored next time (a time-out, a lost connection, a server that starts).
 */
export function refusal(thrown: unknown, subject: string): MillraceError | undefined {
  if (hasCode(thrown, API_CODES.messageTooLarge) || isOverMaxPayload(thrown)) {
    return new MillraceError(
      'message_too_large',
      `A message for "${subject}" is larger than the server or the stream takes (max_payload, max_msg_size). Send a smaller one, or raise the limit.`,
      { cause: thrown },
    );
  }
  if (isStreamFull(thrown)) {
    return new MillraceError(
      'stream_full',
      `The stream of "${subject}" takes no more messages: ${describe(thrown)}. Raise its limits or the server's storage, or purge what is not needed.`,
      { cause: thrown, retriable: true },
    );
  }
  if (thrown instanceof errors.InvalidSubjectError) {
    return new MillraceError('subject_invalid', `"${subject}" is no subject that can be published to.`, {
      cause: thrown,
    });
  }
  if (thrown instanceof errors.InvalidArgumentError) {
    return new MillraceError(
      'message_invalid',
      `A message for "${subject}" cannot be sent: ${thrown.message}. Ids and headers are of one line, names of headers of printable ASCII without colons.`,
      { cause: thrown },
    );
  }
  if (isForbidden(thrown)) {
    return new MillraceError(
      'nats_forbidden',
      `The server does not let these credentials publish to "${subject}". Grant the permission, or use others.`,
      { cause: thrown },
    );
  }
  if (thrown instanceof JetStreamApiError && thrown.status < 500) {
    return new MillraceError(
      'publish_refused',
      `The stream refused a message for "${subject}": ${thrown.message}.`,
      {
        cause: thrown,
      },
    );
  }
  return undefined;
}

/** Nobody answered a publish: there is no stream for its subject, or the server has no JetStream, or not yet. */
export function noStream(thrown: unknown, subject: string): MillraceError | undefined {
  if (!isUnanswered(thrown)) return undefined;
  return new MillraceError(
    'no_stream_for_subject',
    `No stream takes the subject "${subject}". Make one, or let a start make it: --stream NAME=${subject}, or the option streams of run.`,
    { cause: thrown, retriable: true },
  );
}

export const isUnanswered = (thrown: unknown): boolean =>
  thrown instanceof errors.NoRespondersError ||
  (thrown instanceof Error && thrown.cause !== undefined && isUnanswered(thrown.cause));

function isOverMaxPayload(thrown: unknown): boolean {
  const message = thrown instanceof Error ? thrown.message : '';
  return message.includes('max_payload size exceeded') || message.includes('Maximum Payload Violation');
}

/** The credentials do not let do what was asked for. */
export const isForbidden = (thrown: unknown): boolean =>
  thrown instanceof errors.PermissionViolationError ||
  (thrown instanceof Error && thrown.cause !== undefined && isForbidden(thrown.cause));
