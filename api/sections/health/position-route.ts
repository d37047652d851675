import { z } from 'zod';
import { readCompleteUntil } from '../../../analytics/index.ts';
import { META_TABLE, readProgress } from '../../../engine/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import {
  type EventStreams,
  type Route,
  requireReader,
  route,
  type ServerEvent,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';

/** Between two looks at the committed state, ms: no event says more often that it moved. */
const LOOK_MS = 1_000;
/** Streams of one key: a dashboard on every desk has the same. */
const STREAMS_OF_KEY_MAX = 2_000;

/** Says that the committed state has moved, so that a dashboard asks again when there is something new. */
export function positionRoute(answers: AnswerParts, streams: EventStreams, look_ms = LOOK_MS): Route {
  return route({
    ...{ id: 'followPosition', method: 'GET' as const, path: '/position/stream', tag: 'Operation' },
    summary: 'How far the committed state is, by server-sent events',
    description:
      'An event `position` at once, and one at most every second when more was committed: `generation`, `sequence` ' +
      '(the last message that is counted), `lag_messages`, `watermark` (of the tenant) and `time`. A client that ' +
      'comes again gets the newest first; nothing between is told, for only the newest matters.',
    permission: 'kpis:read',
    answers: { 200: { description: 'The events', content: { 'text/event-stream': { schema: z.string() } } } },
    problems: ['too_many_streams'],
    handle: ({ tenant, principal }) => ({
      status: 200,
      headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
      stream: streams.stream(
        `${principal.key_id} position`,
        (signal) => positions(answers, tenant, signal, look_ms),
        STREAMS_OF_KEY_MAX,
      ),
    }),
  });
}

async function* positions(
  { ports, tracker }: AnswerParts,
  tenant: string,
  signal: AbortSignal,
  look_ms: number,
): AsyncGenerator<ServerEvent> {
  for (let told = ''; !signal.aborted; ) {
    const { generation, reader } = requireReader(ports);
    const now = reader.snapshot((table) => {
      const progress = readProgress(table(META_TABLE));
      const { sequence, lag_messages } = tracker.of(progress);
      return {
        generation,
        sequence,
        lag_messages,
        watermark: timeTextOrNull(readCompleteUntil(table, tenant)),
      };
    });
    const id = `${now.generation}-${now.sequence}`;
    if (id !== told) {
      told = id;
      yield { event: 'position', id, data: { ...now, time: timeText(ports.clock.now()) } };
    }
    await pause(look_ms, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
