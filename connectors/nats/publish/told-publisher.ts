import {
  type Clock,
  MillraceError,
  type OutMessage,
  type Publisher,
  wasThere,
} from '../../../engine/index.ts';
import { describe } from '../client/index.ts';

/** How long failures of one kind are not told again, ms. */
const QUIET_MS = 30_000;
/** Kinds of failures that are remembered as told. */
const MAX_KINDS = 16;

/** A publisher whose failures are told as they begin, and then from time to time: the outbox only repeats them. */
export function toldPublisher(inner: Publisher, clock: Clock, log: (line: string) => void): Publisher {
  /** When each kind may be told again. */
  const told = new Map<string, number>();
  const isDue = (kind: string): boolean => {
    const now_ms = clock.now();
    if (now_ms < (told.get(kind) ?? Number.NEGATIVE_INFINITY)) return false;
    if (told.size >= MAX_KINDS) told.clear();
    told.set(kind, now_ms + QUIET_MS);
    return true;
  };
  const tellDuplicate = ({ id, subject }: OutMessage): void => {
    if (!isDue(`duplicate ${subject}`)) return;
    log(
      `a message for "${subject}" was not stored, for the stream has one of its id (${id}), though it was never ` +
        'sent before: another instance sends the same, or idOf gives two messages one id',
    );
  };
  const tell = ({ subject, headers }: OutMessage, error: unknown): void => {
    const isNamed = error instanceof MillraceError;
    const why = isNamed ? error.message : describe(error);
    const kind = isNamed ? error.code : why;
    if (!isDue(kind)) return;
    const outcome = isNamed && !error.retriable ? 'is left out' : 'is tried again';
    const trace = headers.traceparent === undefined ? '' : ` (traceparent ${headers.traceparent})`;
    log(`a message for "${subject}"${trace} could not be sent, and ${outcome}: ${why}`);
  };
  return {
    publish: async (message, isFirst) => {
      try {
        const stored = await inner.publish(message, isFirst);
        if (isFirst === true && wasThere(stored)) tellDuplicate(message);
        return stored;
      } catch (error) {
        tell(message, error);
        throw error;
      }
    },
    ...(inner.maxInFlight === undefined ? {} : { maxInFlight: inner.maxInFlight.bind(inner) }),
    ...(inner.isApart === undefined ? {} : { isApart: inner.isApart.bind(inner) }),
  };
}
