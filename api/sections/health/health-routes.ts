import { z } from 'zod';
import { asMillraceError, META_TABLE, readProgress } from '../../../engine/index.ts';
import type { BucketStatus, Connectors, Jobs } from '../../../runtime/index.ts';
import {
  type Answer,
  type ApiPorts,
  type FreshnessTracker,
  isDamage,
  type PipelineStatus,
  type Route,
  route,
  type StateLook,
  timestamp,
  timeText,
} from '../../http/index.ts';
import type { Gaps } from './gap-resolution.ts';

const STATUSES = ['ok', 'starting', 'catching_up', 'degraded', 'failed'] as const;
type Status = (typeof STATUSES)[number];

const subsystemSchema = z.object({
  status: z.enum(STATUSES),
  code: z.string().optional().describe('Stable code of what is wrong'),
  message: z.string().optional().describe('What is wrong and what to do'),
  since: z.string().optional(),
});
type Subsystem = z.infer<typeof subsystemSchema>;

const healthSchema = z.object({
  status: z.enum(STATUSES).describe('`ok` when every subsystem is'),
  time: timestamp('Now'),
  subsystems: z.object({
    ingest_pipeline: subsystemSchema,
    nats: subsystemSchema,
    query_engine: subsystemSchema,
    completeness: subsystemSchema.describe('Whether the stream has lost acknowledged messages'),
    jobs: subsystemSchema,
    definitions: subsystemSchema,
    connectors: subsystemSchema.describe('Whether connectors read; takes nothing from readiness'),
    models: subsystemSchema.describe('Whether forecasts still hold; takes nothing from readiness'),
  }),
  why: z
    .array(
      z.object({
        code: z.string().describe('Stable'),
        place: z.string().describe('Where: a source, an operator, a stream, the task'),
        sentence: z.string(),
        next: z.string().describe('What to do'),
      }),
    )
    .describe('Why nothing comes out, or not of all parts; empty where all is well'),
});

const OK: Subsystem = { status: 'ok' };

function pipelineHealth(
  { state, error, since_ms }: PipelineStatus,
  share: number | undefined,
  hasHeard: boolean,
): Subsystem {
  const since = timeText(since_ms);
  if (state === 'running' && !hasHeard) {
    const message = 'It is not known yet where the stream ends.';
    return { status: 'starting', code: 'pipeline_starting', message, since };
  }
  if (state === 'running' && share !== undefined) {
    const message =
      `The state is being built from what the stream has: ${Math.floor(100 * share)} % of it is applied. ` +
      'Answers miss the rest, and say so.';
    return { status: 'catching_up', code: 'catching_up', message, since };
  }
  if (state === 'running') return { status: 'ok', since };
  const status = state === 'starting' ? 'starting' : state === 'failed' ? 'failed' : 'degraded';
  const message = error?.message ?? `The pipeline is ${state}.`;
  return { status, code: error?.code ?? `pipeline_${state}`, message, since };
}

/** Of a stream that is not there the pipeline tells. */
const OF_THE_STREAM: ReadonlySet<string> = new Set(['stream_missing', 'stream_recreated', 'stream_replaced']);

function natsHealth({ nats, state, error }: PipelineStatus): Subsystem {
  if (nats.connected || (error !== undefined && OF_THE_STREAM.has(error.code))) return OK;
  return {
    status: state === 'starting' ? 'starting' : 'degraded',
    code: 'nats_disconnected',
    message:
      'The NATS server does not answer. It is tried again by itself; answers come from the last commit.',
  };
}

function queryHealth(ports: ApiPorts, look: StateLook): Subsystem {
  try {
    const state = ports.reader();
    if (state === undefined) {
      return { status: 'starting', code: 'state_not_ready', message: 'The state is being opened.' };
    }
    state.reader.snapshot((table) => readProgress(table(META_TABLE)));
    look.look(state.reader, ports.clock.now());
    return OK;
  } catch (error) {
    ports.log.error({ err: error }, 'the state cannot be read');
    const named = asMillraceError(error);
    if (isDamage(named)) return { status: 'failed', code: named.code, message: named.message };
    return {
      status: 'failed',
      code: 'state_unreadable',
      message: 'The state cannot be read; the log has the cause.',
    };
  }
}

/** Lost messages take nothing from the service: they are told of, and it stays as ready as it is. */
function gapHealth(gaps: Gaps): Subsystem {
  try {
    const { messages } = gaps.now();
    if (messages === 0) return OK;
    const message = `The stream has lost ${messages} acknowledged messages; GET /gaps names them.`;
    return { status: 'degraded', code: 'messages_lost', message };
  } catch {
    // Whether the state can be read is told by query_engine.
    return OK;
  }
}

/** Definitions, keys among them: their bucket. */
function definitionsHealth({ status }: { readonly status: BucketStatus }): Subsystem {
  if (status.state === 'ok') return OK;
  const message = `Definitions or API keys cannot be changed now; those in memory stay in force. ${status.message}`;
  return { status: 'degraded', code: status.code, message, since: timeText(status.since_ms) };
}

/** Sources of tenants that do not answer take nothing from the service. */
function connectorHealth({ unwell }: Pick<Connectors, 'unwell'>): Subsystem {
  if (unwell === 0) return OK;
  const message = `${unwell} connectors cannot read now; GET /connectors/{id}/status says why.`;
  return { status: 'degraded', code: 'connectors_unwell', message };
}

/** Forecasts that no longer hold take nothing from the service. */
function modelHealth({ drifting }: OfTenants['models']): Subsystem {
  if (drifting === 0) return OK;
  const message =
    `${drifting} promoted forecasts err by half as much again as in their back-test, or more: ` +
    'GET /models says which. Train them anew.';
  return { status: 'degraded', code: 'models_drifting', message };
}

/** What tenants have that may be unwell. */
interface OfTenants {
  readonly connectors: Pick<Connectors, 'unwell'>;
  readonly models: { readonly drifting: number };
}

/** How every subsystem is, and the worst of it. */
export async function healthOf(
  ports: ApiPorts,
  tracker: FreshnessTracker,
  jobs: Jobs,
  definitions: { readonly status: BucketStatus },
  look: StateLook,
  gaps: Gaps,
  { connectors, models }: OfTenants,
): Promise<z.infer<typeof healthSchema>> {
  const pipeline = ports.pipeline();
  const subsystems = {
    ingest_pipeline: pipelineHealth(pipeline, tracker.of(tracker.applied()).catching_up, tracker.hasHeard),
    nats: natsHealth(pipeline),
    query_engine: queryHealth(ports, look),
    completeness: gapHealth(gaps),
    jobs: jobs.closed ? { status: 'degraded' as const, code: 'stopping', message: 'The process stops.' } : OK,
    definitions: definitionsHealth(definitions),
    connectors: connectorHealth(connectors),
    models: modelHealth(models),
  };
  const worst = (['failed', 'starting', 'catching_up', 'degraded'] as const).find((status) =>
    Object.values(subsystems).some((subsystem) => subsystem.status === status),
  );
  const status: Status = worst ?? 'ok';
  const why = (await ports.why?.()) ?? [];
  return { status, time: timeText(ports.clock.now()), subsystems, why: [...why] };
}

/** What does not keep the service from answering: lost messages, and what tenants have. */
const NO_REASON: ReadonlySet<string> = new Set(['completeness', 'connectors', 'models']);

/** Whether callers may be sent here. */
const isReady = ({ subsystems }: z.infer<typeof healthSchema>): boolean =>
  Object.entries(subsystems).every(([name, { status }]) => status === 'ok' || NO_REASON.has(name));

/** Section 16: whether the service works. */
export function healthRoutes(
  ports: ApiPorts,
  tracker: FreshnessTracker,
  jobs: Jobs,
  definitions: { readonly status: BucketStatus },
  look: StateLook,
  gaps: Gaps,
  { connectors, models }: OfTenants,
): readonly Route[] {
  return [
    route({
      id: 'getHealth',
      method: 'GET',
      path: '/health',
      tag: 'Operation',
      summary: 'Whether the service works, by subsystem',
      description:
        'Needs no key. 200 only when the pipeline runs and has applied what the stream had, NATS answers, and the ' +
        'state can be read: each call reads on a piece of it.',
      permission: 'none',
      // Probes add parameters of their own against caches.
      query: z.looseObject({}),
      answers: {
        200: {
          description: 'Everything works',
          schema: healthSchema,
          example: {
            status: 'ok',
            time: '2025-08-01T12:00:00.000Z',
            subsystems: {
              ingest_pipeline: { status: 'ok', since: '2025-08-01T11:00:00.000Z' },
              nats: OK,
              query_engine: OK,
              completeness: OK,
              jobs: OK,
              definitions: OK,
              connectors: OK,
              models: OK,
            },
            why: [],
          },
        },
        503: { description: 'Something does not', schema: healthSchema },
      },
      problems: [],
      handle: async (): Promise<Answer> => {
        const json = await healthOf(ports, tracker, jobs, definitions, look, gaps, { connectors, models });
        return { status: isReady(json) ? 200 : 503, json };
      },
    }),
  ];
}
