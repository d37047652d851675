import { z } from 'zod';
import type { GenerationInfo } from '../../../runtime/index.ts';
import {
  ApiError,
  type BackfillPort,
  type Route,
  route,
  timestamp,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';
import { type BackfillParts, createActivation, requireNoBackfill, requirePort } from './backfill.ts';
import { JOB_EXAMPLE, jobSchema } from './job-view.ts';

const params = z.object({ generation: z.string().regex(/^[1-9]\d{0,8}$/) });

const generationSchema = z.object({
  generation: z.int(),
  state: z
    .enum(['current', 'building', 'interrupted', 'ready', 'former'])
    .describe(
      '`current`: answers come from it. `ready`: built, and waits to be activated. `former`: it was current. ' +
        '`interrupted`: its job goes on with it',
    ),
  reason: z.string(),
  position: z
    .record(z.string(), z.record(z.string(), z.int()))
    .nullable()
    .describe('Up to where it has applied the stream; null: not known'),
  size_bytes: z.int(),
  started_at: timestamp('When its building began').nullable(),
  since: timestamp('When it became ready, or was replaced').nullable(),
});

function viewOf({
  generation,
  state,
  reason,
  position,
  size_bytes,
  started_at_ms,
  since_ms,
}: GenerationInfo): z.input<typeof generationSchema> {
  return {
    ...{ generation, state, reason, size_bytes },
    position: position === undefined ? null : { EVENTS: { 0: position } },
    started_at: started_at_ms === 0 ? null : timeText(started_at_ms),
    since: timeTextOrNull(since_ms ?? null),
  };
}

function find(port: BackfillPort, { generation }: z.output<typeof params>): GenerationInfo {
  const found = port.list().find((one) => one.generation === Number(generation));
  if (found !== undefined) return found;
  throw new ApiError(
    'not_found',
    'There is no such generation. GET /generations lists those that there are.',
  );
}

const INSTALLATION = { tag: 'Jobs', permission: 'backfills:create', reach: 'installation' } as const;
const EXAMPLE = {
  ...{ generation: 2, state: 'current', reason: 'job job_5f0c: rates were corrected' },
  position: { EVENTS: { 0: 18234 } },
  ...{ size_bytes: 73400320, started_at: '2025-09-01T09:00:00.000Z', since: null },
};

/** The generations of the state: which there are, which is current, and the way back. */
export function generationRoutes({ making, port }: BackfillParts): readonly Route[] {
  return [
    route({
      ...INSTALLATION,
      id: 'listGenerations',
      method: 'GET',
      path: '/generations',
      summary: 'List the generations of the state',
      answers: {
        200: {
          description: 'Oldest first; a few',
          schema: z.object({ generations: z.array(generationSchema) }),
          example: { generations: [EXAMPLE] },
        },
      },
      problems: ['not_supported'],
      handle: () => ({ status: 200, json: { generations: requirePort(port).list().map(viewOf) } }),
    }),
    route({
      ...INSTALLATION,
      id: 'activateGeneration',
      method: 'POST',
      path: '/generations/{generation}/activate',
      summary: 'Make a generation current that is ready, or was current before',
      description:
        'It applies what came since, then takes the place of the current one, which stays to go back to: ' +
        'until then answers come from that one, and nothing is left out. 202 with the job that does it.',
      params,
      idempotent: true,
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [
        'not_found',
        'wrong_state',
        'backfill_running',
        'not_supported',
        'too_many_jobs',
        'kv_unavailable',
      ],
      handle: async (call) => {
        const { generation, state } = find(requirePort(port), call.params);
        if (state !== 'ready' && state !== 'former') {
          const why = state === 'current' ? 'is current already' : 'is not built to its end';
          throw new ApiError('wrong_state', `Generation ${generation} ${why}.`);
        }
        return await createActivation(making, call, { generation });
      },
    }),
    route({
      ...INSTALLATION,
      id: 'deleteGeneration',
      method: 'DELETE',
      path: '/generations/{generation}',
      summary: 'Remove a generation that is ready, or was current before',
      description: 'Queries that began on it end on it; its files go then.',
      params,
      answers: { 204: { description: 'It goes' } },
      problems: ['not_found', 'wrong_state', 'backfill_running', 'not_supported'],
      handle: async (call) => {
        const own = requirePort(port);
        const { generation, state } = find(own, call.params);
        if (state === 'current')
          throw new ApiError(
            'wrong_state',
            `Generation ${generation} is current. Activate another one first.`,
          );
        if (state === 'building' || state === 'interrupted') {
          requireNoBackfill(making.jobs);
          if (state === 'building')
            throw new ApiError('wrong_state', `Generation ${generation} is being built.`);
        }
        await own.remove(generation);
        return { status: 204 };
      },
    }),
  ];
}
