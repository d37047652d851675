import { z } from 'zod';
import type { Definition, JobRecord, Jobs, KindDefinitions } from '../../../runtime/index.ts';
import { requireDefinition } from '../../definitions/index.ts';
import {
  type Cursors,
  listQuery,
  type ProblemCode,
  pageOf,
  type Route,
  route,
  timeTextOrNull,
} from '../../http/index.ts';
import { JOB_EXAMPLE, jobLocation, jobSchema, jobView } from '../jobs/index.ts';

const params = z.object({ id: z.string().max(128) });

export interface RunRoutesSpec<B> {
  readonly path: '/reports' | '/sinks';
  readonly tag: string;
  readonly run: {
    readonly id: string;
    readonly summary: string;
    readonly description?: string;
    readonly problems: readonly ProblemCode[];
    /** Makes the job of a run that is wanted now. */
    readonly make: (tenant: string, definition: Definition<B>) => Promise<JobRecord>;
  };
  readonly list: { readonly id: string; readonly summary: string };
}

/** Of a definition that jobs are made of by a schedule: a run now, and the runs that there were. */
export function runRoutes<B>(
  definitions: KindDefinitions<B>,
  { jobs, cursors }: { readonly jobs: Jobs; readonly cursors: Cursors },
  { path, tag, run, list }: RunRoutesSpec<B>,
): readonly Route[] {
  const { id, summary, description, problems, make } = run;
  return [
    route({
      ...{ id, method: 'POST', path: `${path}/{id}/run`, tag, summary, params },
      ...(description === undefined ? {} : { description }),
      permission: 'exports:create',
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [...problems, 'not_found', 'too_many_jobs', 'kv_unavailable'],
      handle: async (call) => {
        const definition = requireDefinition(definitions, call, call.params.id);
        const record = await make(call.tenant, definition);
        const headers = { Location: jobLocation(call.base, record.job_id) };
        return { status: 202, json: jobView(record), headers };
      },
    }),
    route({
      ...{ ...list, method: 'GET', path: `${path}/{id}/runs`, tag, params },
      permission: 'jobs:read',
      query: z.strictObject(listQuery),
      answers: {
        200: {
          description: 'A page of jobs',
          schema: z.object({
            runs: z.array(jobSchema.extend({ due_at: z.string().describe('When it was due') })),
            next_cursor: z.string().nullable(),
          }),
        },
      },
      problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'kv_unavailable'],
      handle: (call) => {
        const { id: of } = requireDefinition(definitions, call, call.params.id);
        const runs = jobs.list(call.tenant).filter(({ report }) => report?.id === of);
        const filter = { list: list.id, tenant: call.tenant, id: of };
        const sortKey = (job: JobRecord): readonly [number, string] => [-job.created_at_ms, job.job_id];
        const { items, next_cursor } = pageOf(cursors, runs, sortKey, filter, call.query);
        const views = items.map((job) => ({
          ...jobView(job),
          due_at: timeTextOrNull(job.report?.due_ms ?? null),
        }));
        return { status: 200, json: { runs: views, next_cursor } };
      },
    }),
  ];
}
