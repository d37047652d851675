import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiPorts } from '../api/index.ts';
import { EVENTS_STREAM, type NatsLink, openManager } from '../connectors/index.ts';
import { asMillraceError } from '../engine/index.ts';
import type { Generations } from '../runtime/index.ts';

/** Between two looks whether another build has ended, or NATS is there again, ms. */
const BUILD_TURN_MS = 500;
/** Messages a second on a whole core of a common machine, before one was measured here. */
const ASSUMED_RATE_PER_S = 100_000;

type Builder = Pick<
  Generations,
  'build' | 'interrupted' | 'discard' | 'list' | 'activate' | 'remove' | 'recount' | 'shrink'
>;

/** Does `work` when it is its turn: while a dimension is built, or NATS is away, what was built stays. */
async function inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!asMillraceError(error).retriable) throw error;
      await sleep(BUILD_TURN_MS, undefined, { signal });
    }
  }
}

/** Builds the same state again, for jobs. `share` is what a build has of a core. */
export function backfillPort(
  generations: Builder,
  link: NatsLink,
  share: number,
): NonNullable<ApiPorts['backfill']> {
  let measured: number | undefined;
  return {
    build: ({ reason, signal, isActivated, cells, onProgress }) =>
      inTurn(signal, () =>
        generations.build({
          ...{ options: {}, reason, signal, cells, keepAborted: true, keepFormer: true, mayDiffer: true },
          leaveReady: !isActivated,
          onProgress: ({ phase, position, goal, records_per_s }) => {
            if (phase === 'reading' && records_per_s > 0) measured = records_per_s;
            onProgress(position, goal);
          },
        }),
      ),
    discard: async (reason) => {
      for (const build of generations.interrupted()) {
        if (build.reason === reason) await generations.discard(build.generation);
      }
    },
    plan: async () => {
      const manager = await openManager(link);
      const { state } = await manager.streams.info(EVENTS_STREAM.name);
      const current = generations.list().find((one) => one.state === 'current');
      return {
        messages: state.messages,
        read_bytes: state.bytes,
        state_bytes: current?.size_bytes ?? 0,
        rate_per_s: measured ?? Math.round(ASSUMED_RATE_PER_S * share),
        is_rate_measured: measured !== undefined,
      };
    },
    list: () => generations.list(),
    activate: (generation, request = {}) =>
      inTurn(request.signal ?? new AbortController().signal, () => generations.activate(generation, request)),
    shrink: (request) =>
      inTurn(request.signal ?? new AbortController().signal, () => generations.shrink(request)),
    remove: (generation) => generations.remove(generation),
    recount: (request) =>
      inTurn(request.signal ?? new AbortController().signal, () => generations.recount(request)),
  };
}
