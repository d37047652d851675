import { z } from 'zod';
import { type FieldError, QueryError } from '../query/index.ts';
import { kpiQuerySchema } from './kpi-schema.ts';
import { type KpiContext, type KpiResult, runKpiQuery, type Tables } from './kpis.ts';

export const MAX_BATCH_QUERIES = 50;

const idSchema = z.string().min(1).max(64).describe('Names the answer; unique within the batch');

/** One query of a batch: a KPI query with an id. */
export const kpiBatchItemSchema = kpiQuerySchema.extend({ id: idSchema });

/**
 * The body of a batch. Only the ids are checked here: each query is validated by itself, so that a bad
 * one fails alone. Freshness applies to the batch, which is answered from one snapshot.
 */
export const kpiBatchSchema = z.strictObject({
  queries: z
    .array(z.looseObject({ id: idSchema }))
    .min(1)
    .max(MAX_BATCH_QUERIES)
    .refine((queries) => new Set(queries.map(({ id }) => id)).size === queries.length, 'An id is repeated'),
  max_staleness: kpiQuerySchema.shape.max_staleness,
  force_fresh: kpiQuerySchema.shape.force_fresh,
  min_position: kpiQuerySchema.shape.min_position,
});
export type KpiBatch = z.output<typeof kpiBatchSchema>;

/** Why one query of a batch has no answer: the members of an RFC 9457 problem. */
export interface BatchProblem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

export type BatchEntry =
  | { readonly id: string; readonly result: KpiResult }
  | { readonly id: string; readonly problem: BatchProblem };

/** Answers every query of a batch, in order, from one snapshot; a failed one carries its problem. */
export function runKpiBatch(
  table: Tables,
  tenant: string,
  { queries }: KpiBatch,
  context: KpiContext,
): readonly BatchEntry[] {
  return queries.map(({ id, ...body }) => {
    const parsed = kpiQuerySchema.safeParse(body);
    if (!parsed.success) return { id, problem: invalidBody(parsed.error) };
    try {
      return { id, result: runKpiQuery(table, tenant, parsed.data, context) };
    } catch (error) {
      // Only what the client can mend is answered; anything else is ours and fails the request.
      if (!(error instanceof QueryError)) throw error;
      const { code, status, message: detail, errors } = error;
      return { id, problem: { code, status, detail, errors } };
    }
  });
}

function invalidBody({ issues }: z.ZodError): BatchProblem {
  const errors = issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  return { code: 'validation_failed', status: 422, detail: 'The query breaks the schema.', errors };
}
