import type { KpiBatch, KpiQuery } from '../../../analytics/index.ts';
import type { QueryKind } from '../../../engine/index.ts';
import type { JobFiles, JobKind } from '../../../runtime/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  dimensionsIn,
  planQuery,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import { type Answer, ApiError, allows, type RawCall, timeText } from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema, patiently, writeAnswer } from '../jobs/index.ts';
import { answerView, batchAnswerView } from './answer-view.ts';

const QUERY_JOB = 'kpi_query';
/** A query that somebody waits for has half a minute. */
const DEADLINE_MS = 600_000;

export const JOB_PROBLEMS = ['role_forbidden', 'too_many_jobs', 'kv_unavailable'] as const;

export const JOB_ANSWER = {
  description: 'For `async`: the job; GET /jobs/{jobId}/result has the answer',
  schema: jobSchema,
  headers: { Location: 'The job' },
  example: JOB_EXAMPLE,
};

type QueryInput =
  | { readonly of: 'query'; readonly query: KpiQuery }
  | { readonly of: 'batch'; readonly query: KpiBatch };

/** Refuses now what a job could not answer. */
export async function requirePlan<Q extends KpiQuery | KpiBatch, S, P, A>(
  parts: AnswerParts,
  call: RawCall,
  kind: QueryKind<Q, S, P, A>,
  query: Q,
): Promise<void> {
  const wish = { ...wishOf(query), force_fresh: false };
  const { refused } = await planQuery(parts, call, kind, query, { wish });
  if (refused !== undefined) throw refused;
}

/** 202 with the job that asks. Its result lies on the disk, so it is for the roles that may make exports. */
export function makeQueryJob(making: JobMaking, call: RawCall, input: QueryInput): Promise<Answer> {
  if (!allows(call.principal, 'exports:create')) {
    throw new ApiError('role_forbidden', 'Queries as jobs are for analysts and admins. Ask without `async`.');
  }
  return createJob(making, call, { type: QUERY_JOB, input, progress: { total: 1, unit: 'queries' } });
}

/** Asks a KPI query, or a batch of them, without anybody waiting; the answer is the job's file. */
export function queryKind(parts: AnswerParts, files: JobFiles): JobKind {
  const { queries } = analyticsOf(parts.ports.settings);
  const { clock } = parts.ports;
  const answerOf = async (
    signal: AbortSignal,
    tenant: string,
    key_id: string,
    input: QueryInput,
  ): Promise<object> => {
    const asker = { request: { signal }, tenant, principal: { key_id } };
    const wish = { wish: wishOf(input.query), deadline_ms: DEADLINE_MS };
    if (input.of === 'query') {
      const { answer, state } = await runQuery(parts, asker, queries.kpis, input.query, wish);
      return answerView(state, tenant, answer, timeText(clock.now()));
    }
    const { answer, state } = await runQuery(parts, asker, queries.batch, input.query, wish);
    return batchAnswerView(state, tenant, answer, timeText(clock.now()));
  };
  return {
    type: QUERY_JOB,
    lane: 'query',
    run: async ({ record, signal, advance }) => {
      const { tenant, created_by } = record;
      const input = record.input as QueryInput;
      const answer = await patiently({ signal, clock }, () => answerOf(signal, tenant, created_by, input));
      const file = await writeAnswer(files, record, answer);
      advance({ done: 1, total: 1, unit: 'queries' });
      const shows = { masked: null, dimensions: [...dimensionsIn(input.query)] };
      return { result: null, file: { ...file, shows } };
    },
  };
}
