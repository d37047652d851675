import type { Clock, OutMessage, Publisher } from '../../engine/index.ts';
import { describe } from './errors.ts';

/** How long the same failure is not told again, ms. */
const QUIET_MS = 30_000;

/** A publisher whose failures are told as they begin, and then from time to time: the outbox only repeats them. */
export function toldPublisher(inner: Publisher, clock: Clock, log: (line: string) => void): Publisher {
  let told = '';
  let again_ms = 0;
  const tell = ({ subject }: OutMessage, error: unknown): void => {
    const why = error instanceof Error && 'code' in error ? error.message : describe(error);
    const line = `a message for "${subject}" could not be sent, and is tried again: ${why}`;
    if (line === told && clock.now() < again_ms) return;
    told = line;
    again_ms = clock.now() + QUIET_MS;
    log(line);
  };
  return {
    publish: async (message) => {
      try {
        await inner.publish(message);
      } catch (error) {
        tell(message, error);
        throw error;
      }
    },
    ...(inner.maxInFlight === undefined ? {} : { maxInFlight: inner.maxInFlight.bind(inner) }),
  };
}
