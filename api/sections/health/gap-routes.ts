import { z } from 'zod';
import { META_TABLE, readGaps, type StreamGap } from '../../../engine/index.ts';
import { type Answer, type ApiPorts, type Route, requireReader, route, timeText } from '../../http/index.ts';

const gapSchema = z.object({
  stream: z.string(),
  kind: z
    .enum(['removed', 'lost', 'replaced'])
    .describe(
      '`removed`: from the stream before they were read. `lost`: they were applied, and the stream ends before them. ' +
        '`replaced`: they were applied, and the stream has other messages of these sequences',
    ),
  first: z.int().describe('Sequence, inclusive'),
  last: z.int().describe('Sequence, inclusive'),
  messages: z.int().describe('Fewer than the range has where several gaps had to become one'),
  noticed_at: z.string(),
});

/** The gaps of the state as it is now; empty before there is one. */
export function gapsOf(ports: Pick<ApiPorts, 'reader'>): StreamGap[] {
  return ports.reader()?.reader.snapshot((table) => readGaps(table(META_TABLE))) ?? [];
}

/** Acknowledged messages that the stream lost, so far as their sequences tell. */
export function gapRoute(ports: ApiPorts): Route {
  return route({
    id: 'getGaps',
    method: 'GET',
    path: '/gaps',
    tag: 'Operation',
    summary: 'Acknowledged messages that the stream lost',
    description:
      'By their sequences in the stream, of all tenants: what was removed before it was read, and what was applied and ' +
      'is not in the stream any more. `lost` and `replaced` go when the stream fits the state again; `removed` stays ' +
      'until the state is rebuilt from a stream in which the messages were published again.',
    permission: 'diagnostics:read',
    query: z.strictObject({}),
    answers: {
      200: {
        description: 'The gaps, by kind and in the order of their sequences',
        schema: z.object({ messages_missing: z.int(), gaps: z.array(gapSchema) }),
        example: { messages_missing: 0, gaps: [] },
      },
    },
    problems: ['state_not_ready'],
    handle: async (): Promise<Answer> => {
      requireReader(ports);
      const gaps = gapsOf(ports).map(({ stream, kind, first, last, messages, noticed_at_ms }) => ({
        ...{ stream, kind, first, last, messages },
        noticed_at: timeText(noticed_at_ms),
      }));
      const messages_missing = gaps.reduce((sum, { messages }) => sum + messages, 0);
      return { status: 200, json: { messages_missing, gaps } };
    },
  });
}
