import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiPorts } from '../api/index.ts';
import { asMillraceError } from '../engine/index.ts';
import type { Generations } from '../runtime/index.ts';

/** Between two looks whether another build has ended, or NATS is there again, ms. */
const BUILD_TURN_MS = 500;

/** Builds the same state again, for jobs. */
export function backfillPort(
  generations: Pick<Generations, 'build' | 'interrupted' | 'discard'>,
): NonNullable<ApiPorts['backfill']> {
  return {
    build: async ({ reason, signal, onProgress }) => {
      for (;;) {
        try {
          return await generations.build({
            ...{ options: {}, reason, signal, keepAborted: true },
            onProgress: ({ position, goal }) => onProgress(position, goal),
          });
        } catch (error) {
          signal.throwIfAborted();
          // A dimension is built, or NATS is away: what was built stays, and this has its turn.
          if (!asMillraceError(error).retriable) throw error;
          await sleep(BUILD_TURN_MS, undefined, { signal });
        }
      }
    },
    discard: async (reason) => {
      for (const build of generations.interrupted()) {
        if (build.reason === reason) await generations.discard(build.generation);
      }
    },
  };
}
