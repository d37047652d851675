import { z } from 'zod';
import type { BuiltGeneration, JobKind, JobRecord, Jobs } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import {
  type Answer,
  ApiError,
  type BackfillPort,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import { type BackfillBody, type BackfillInput, backfillBody, backfillInput } from './backfill-request.ts';
import { createJob, type JobMaking } from './create-job.ts';
import { JOB_EXAMPLE, jobSchema } from './job-view.ts';

const BACKFILL_JOB = 'backfill';
const ACTIVATION_JOB = 'activate_generation';
const MS_PER_SECOND = 1_000;

/** Of this job alone: another one of the same words is another build. */
const reasonOf = ({ job_id, input }: Pick<JobRecord, 'job_id' | 'input'>): string =>
  [`job ${job_id}`, (input as BackfillInput).reason ?? ''].filter((part) => part !== '').join(': ');

/** Builds the whole state anew, or counts a part of its sums again. */
export function backfillKinds(port: BackfillPort): readonly JobKind[] {
  return [
    {
      type: BACKFILL_JOB,
      lane: 'backfill',
      // What a stop, a pause or a crash has interrupted stays until the job is over.
      dispose: (record) => port.discard(reasonOf(record)),
      run: async ({ record, signal, advance }) => {
        const { mode, isActivated = true, of } = record.input as BackfillInput;
        const onDone = (unit: string) => (done: number, total: number) => advance({ done, total, unit });
        if (mode === 'range' && of !== undefined) {
          const range = { ...of, tenant: record.tenant };
          const onProgress = onDone('days');
          return {
            result: { mode, ...(await port.recount({ of: range, isDry: false, signal, onProgress })) },
          };
        }
        const built = await port.build({
          ...{
            reason: reasonOf(record),
            signal,
            isActivated,
            cells: of ?? { start_ms: -4e12, end_ms: 8e12 },
          },
          onProgress: onDone('messages'),
        });
        return { result: { mode: 'shadow', ...builtView(built) } };
      },
    },
    {
      type: ACTIVATION_JOB,
      lane: 'backfill',
      run: async ({ record, signal, advance }) => {
        const { generation } = record.input as ActivationInput;
        // An attempt before this one may have done it.
        const isDone = port.list().some((one) => one.generation === generation && one.state === 'current');
        if (isDone) return { result: { generation, active: true } };
        const built = await port.activate(generation, {
          signal,
          onProgress: ({ position, goal }) => advance({ done: position, total: goal, unit: 'messages' }),
        });
        return { result: { generation, replaced: built.replaced, active: true, pause_ms: built.pause_ms } };
      },
    },
  ];
}

export interface ActivationInput {
  readonly generation: number;
}

function builtView({
  generation,
  replaced,
  isActive,
  different,
  cells,
}: Pick<BuiltGeneration, 'generation' | 'replaced' | 'isActive' | 'different' | 'cells'>): object {
  return { generation, replaced, active: isActive, tables_different: different, cells };
}

/** One change of the state at a time: of all of it, or of a range of one tenant. Throws `backfill_running`. */
export function requireNoBackfill(
  jobs: Pick<Jobs, 'openOf'>,
  wanted?: { readonly tenant: string; readonly of: NonNullable<BackfillInput['of']> },
): void {
  const other = jobs.openOf([BACKFILL_JOB, ACTIVATION_JOB]).find((job) => {
    const { mode, of } = job.input as BackfillInput;
    if (wanted === undefined || job.type !== BACKFILL_JOB || mode !== 'range' || of === undefined)
      return true;
    const isElsewhere = of.start_ms >= wanted.of.end_ms || of.end_ms <= wanted.of.start_ms;
    return job.tenant === wanted.tenant && !isElsewhere;
  });
  if (other === undefined) return;
  throw new ApiError(
    'backfill_running',
    `Another job of this kind is under way: ${other.job_id}. Wait until it has ended, or cancel it.`,
  );
}

/** Makes a job that brings another generation into the place of the current one. */
export function createActivation(making: JobMaking, call: RawCall, input: ActivationInput): Promise<Answer> {
  return createJob(making, call, { type: ACTIVATION_JOB, input }, () => requireNoBackfill(making.jobs));
}

/** What the routes need of what tenants have defined. */
export interface BackfillParts {
  readonly making: JobMaking;
  /** Undefined where this process cannot. */
  readonly port: BackfillPort | undefined;
  readonly tenants: Pick<Tenants, 'metricsOf' | 'dimensions'>;
  readonly custom: readonly string[];
}

export function requirePort(port: BackfillPort | undefined): BackfillPort {
  if (port !== undefined) return port;
  throw new ApiError('not_supported', 'This process cannot build its state anew. Use `npx millrace replay`.');
}

const planSchema = z.object({
  dry_run: z.literal(true),
  plan: z.looseObject({
    mode: z.enum(['shadow', 'range']),
    rows: z.int().describe('Messages of the stream, or rows of the log, that are read'),
    read_bytes: z.int().describe('Of the stream; 0 for a range'),
    write_bytes: z.int().describe('Of the new generation, about'),
    time_s: z.number().nullable().describe('About, while events come in; null: it is not known'),
  }),
});

/** Section 11: aggregates anew, from the events. */
export function backfillRoutes(parts: BackfillParts): readonly Route[] {
  return [
    route({
      id: 'createBackfill',
      method: 'POST',
      path: '/jobs/backfill',
      tag: 'Jobs',
      summary: 'Compute the aggregates anew from the events',
      description:
        'Builds the next generation of the state beside the live one, from the stream, compares the two and makes it ' +
        'current when it has caught up; answers go on meanwhile. All metrics and dimensions of all time are built; ' +
        'range, metrics and dimensions say which sums the comparison is of. With `mode: range` only these sums are ' +
        'counted anew, from the event log, and those that are wrong are put right in one transaction. What a restart ' +
        'or a pause interrupts goes on.',
      permission: 'backfills:create',
      reach: 'installation',
      body: backfillBody,
      body_examples: { august: { summary: 'A month', value: EXAMPLE } },
      idempotent: true,
      answers: {
        200: { description: 'The plan, for `dry_run`', schema: planSchema },
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [
        ...BODY_PROBLEMS,
        'invalid_range',
        'unknown_dimension',
        'backfill_running',
        'not_supported',
        'too_many_jobs',
        'kv_unavailable',
      ],
      handle: async (call) => await create(parts, call),
    }),
  ];
}

async function create(
  { making, port: given, tenants, custom }: BackfillParts,
  call: RawCall & { readonly body: BackfillBody },
): Promise<Answer> {
  const { tenant, body } = call;
  const input = backfillInput(body, tenant, tenants, custom);
  const port = requirePort(given);
  if (body.dry_run) return { status: 200, json: { dry_run: true, plan: await planOf(port, tenant, input) } };
  const wanted = input.mode === 'range' ? { tenant, of: input.of } : undefined;
  return await createJob(making, call, { type: BACKFILL_JOB, input }, () =>
    requireNoBackfill(making.jobs, wanted),
  );
}

async function planOf(
  port: BackfillPort,
  tenant: string,
  { mode, of }: BackfillInput & { readonly of: NonNullable<BackfillInput['of']> },
): Promise<z.input<typeof planSchema>['plan']> {
  if (mode === 'range') {
    const started_ms = performance.now();
    const { rows, days, cells } = await port.recount({ of: { ...of, tenant }, isDry: true });
    const time_s = Math.ceil(performance.now() - started_ms) / MS_PER_SECOND;
    return { mode: 'range', rows, read_bytes: 0, write_bytes: 0, time_s, days, cells };
  }
  const { messages, read_bytes, state_bytes, rate_per_s, is_rate_measured } = await port.plan();
  const time_s = rate_per_s === 0 ? null : Math.ceil(messages / rate_per_s);
  const plan = { rows: messages, read_bytes, write_bytes: state_bytes, time_s, rate_per_s, is_rate_measured };
  return { mode: 'shadow', ...plan };
}

const EXAMPLE = {
  start: '2025-08-01T00:00:00Z',
  end: '2025-09-01T00:00:00Z',
  reason: 'rates were corrected',
};
