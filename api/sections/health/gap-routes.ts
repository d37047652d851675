import { z } from 'zod';
import { GAPS_MAX } from '../../../engine/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  type Route,
  requireReader,
  route,
  timeText,
} from '../../http/index.ts';
import type { Gaps, OpenGap } from './gap-resolution.ts';

const gapSchema = z.object({
  stream: z.string(),
  kind: z
    .enum(['removed', 'lost', 'replaced', 'not_rebuilt'])
    .describe(
      '`removed`: from the stream before they were read. `lost`: they were applied, and the stream ends before them. ' +
        '`replaced`: they were applied, and the stream has other messages of these sequences. `not_rebuilt`: the state ' +
        'before this one had applied them, and the stream that this one was built from did not have them',
    ),
  first: z.int().describe('Sequence, inclusive'),
  last: z.int().describe('Sequence, inclusive'),
  messages: z
    .int()
    .describe(
      'Fewer than the range has where several gaps had to become one; of `not_rebuilt` events, by their ids',
    ),
  noticed_at: z.string(),
});

const answerSchema = z.object({
  messages_missing: z.int().describe('Messages in the gaps'),
  messages_resolved: z.int().describe('Removed ones of which somebody said that they are dealt with'),
  gaps: z.array(gapSchema),
});

const resolveSchema = z.strictObject({
  gaps: z
    .array(
      z.strictObject({
        stream: z.string().min(1).max(255),
        first: z.int().min(1).describe('Sequence, inclusive'),
        last: z.int().min(1).describe('Sequence, inclusive'),
      }),
    )
    .min(1)
    .max(GAPS_MAX)
    .describe('As GET /gaps lists them'),
  note: z.string().min(1).max(1_000).describe('What was done about them: kept, and written to the log'),
});

const REMOVED = { stream: 'EVENTS', first: 18_235, last: 18_237 } as const;
const EXAMPLE = {
  ...{ messages_missing: 3, messages_resolved: 0 },
  gaps: [{ ...REMOVED, kind: 'removed', messages: 3, noticed_at: '2025-08-01T12:00:00.000Z' }],
};

function viewOf(gaps: Gaps): z.input<typeof answerSchema> {
  const { open, messages, resolved } = gaps.now();
  return {
    messages_missing: messages,
    messages_resolved: resolved,
    gaps: open.map(({ stream, kind, first, last, messages: missing, noticed_at_ms }) => ({
      ...{ stream, kind, first, last, messages: missing },
      noticed_at: timeText(noticed_at_ms),
    })),
  };
}

type Named = z.output<typeof resolveSchema>['gaps'][number];

/** The gap that a caller names; only what it has seen as it is now can be resolved. */
function find(open: readonly OpenGap[], { stream, first, last }: Named, path: string): OpenGap {
  const found = open.filter((gap) => gap.stream === stream && gap.first === first && gap.last === last);
  const removed = found.find(({ kind }) => kind === 'removed' || kind === 'not_rebuilt');
  if (removed !== undefined) return removed;
  const message =
    found.length === 0
      ? `is no gap of the stream: ${first} to ${last}; GET /gaps lists them as they are now`
      : 'was applied, and the stream has it no more: it goes when the stream fits the state again, or with a rebuild';
  throw new ApiError('wrong_state', `${path} ${message}. Nothing is resolved.`, {
    errors: [{ path, message }],
  });
}

/** Acknowledged messages that the stream lost, so far as their sequences tell, and how they are dealt with. */
export function gapRoutes(ports: ApiPorts, gaps: Gaps): readonly Route[] {
  return [
    route({
      id: 'getGaps',
      method: 'GET',
      path: '/gaps',
      tag: 'Operation',
      summary: 'Acknowledged messages that the stream lost',
      description:
        'By their sequences in the stream, of all tenants: what was removed before it was read, and what was applied ' +
        'and is not in the stream any more. `lost` and `replaced` go when the stream fits the state again; a state that ' +
        'is rebuilt has what of them is still missing as `not_rebuilt`, which goes as its events come again, by their ' +
        'ids. What was in `removed` ones nobody knows: they go when a message on the subject `events._resends` says that ' +
        'their events were sent again (header `Millrace-Resends: 18235-18237`), or when POST /gaps/resolve says that ' +
        'they are dealt with.',
      permission: 'diagnostics:read',
      query: z.strictObject({}),
      answers: {
        200: {
          description: 'The gaps, by kind and in the order of their sequences',
          schema: answerSchema,
          example: EXAMPLE,
        },
      },
      problems: ['state_not_ready'],
      handle: (): Answer => {
        requireReader(ports);
        return { status: 200, json: viewOf(gaps) };
      },
    }),
    route({
      id: 'resolveGaps',
      method: 'POST',
      path: '/gaps/resolve',
      tag: 'Operation',
      summary: 'Say that removed or missing messages are dealt with',
      description:
        'After their events were published again, or are given up: the gaps are no longer listed, and health is no ' +
        'longer degraded by them. Nothing checks it, for the stream has nothing left to compare with; who said so, ' +
        'when and the note are kept. All of the gaps have to be `removed` or `not_rebuilt` ones as GET /gaps lists them ' +
        'now, else none is resolved.',
      permission: 'backfills:create',
      reach: 'installation',
      body: resolveSchema,
      body_examples: {
        again: {
          summary: 'They were published again',
          value: { gaps: [REMOVED], note: 'published again from the orders of the shop' },
        },
      },
      answers: {
        200: {
          description: 'The gaps that are left',
          schema: answerSchema,
          example: { messages_missing: 0, messages_resolved: 3, gaps: [] },
        },
      },
      problems: ['wrong_state', 'limit_reached', 'name_taken', 'kv_unavailable', 'state_not_ready'],
      handle: async ({ body, principal, log }): Promise<Answer> => {
        requireReader(ports);
        const { open } = gaps.now();
        const chosen = new Set(body.gaps.map((named, index) => find(open, named, `gaps.${index}`)));
        for (const gap of chosen) {
          await gaps.resolve(gap, body.note, principal.key_id);
          const { stream, incarnation, first, last, messages } = gap;
          const resolved = { stream, incarnation, first, last, messages };
          // A warning, so that it is in the log at the usual levels: it makes health call lost messages well.
          log.warn({ key_id: principal.key_id, note: body.note, gap: resolved }, 'a gap was resolved');
        }
        return { status: 200, json: viewOf(gaps) };
      },
    }),
  ];
}
