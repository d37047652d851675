import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError } from '../../engine/index.ts';

const PAUSE_MS = 200;

/** A question to the server, asked again while it does not answer; throws what the last attempt said. */
export async function throughReconnects<T>(left_ms: () => number, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const { code, retriable } = asMillraceError(error);
      // What has a code is an answer: the stream is gone, the user may not look.
      if ((code !== 'internal' && !retriable) || left_ms() <= PAUSE_MS) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
