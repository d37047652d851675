import { z } from 'zod';
import { defineKind, type QueryKind } from '../../engine/index.ts';
import { type FieldError, QueryError, saysKnownMembers } from '../query/index.ts';
import type { KpiAnswer } from './kpi-kind.ts';
import { planKpis } from './kpi-plan.ts';
import type { KpiSettings } from './prepare.ts';
import { addSetWork, finishSet, mergeSets, planSet, type SetShared, type SetWork } from './query-set.ts';
import { kpiQuerySchema, kpiSchemaOf, type OfTenant } from './schema.ts';
import type { OpenSources } from './sources.ts';

export const MAX_BATCH_QUERIES = 50;

const idSchema = z.string().min(1).max(64).describe('Names the answer; unique within the batch');

/** One query of a batch: a KPI query with an id. */
export const kpiBatchItemSchema = kpiQuerySchema.extend({ id: idSchema });

/**
 * The body of a batch. Only the ids are checked here: each query is validated by itself, so that a bad one fails
 * alone. Freshness applies to the batch, which is answered from one snapshot.
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
  dry_run: kpiQuerySchema.shape.dry_run,
});
export type KpiBatch = z.output<typeof kpiBatchSchema> & OfTenant;

/** Why one query of a batch has no answer: the members of an RFC 9457 problem. Plain data. */
export interface BatchProblem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

export type BatchEntry =
  | { readonly id: string; readonly result: KpiAnswer }
  | { readonly id: string; readonly problem: BatchProblem };

/** By query: its id, and why it could not be planned. */
type Planned = readonly { readonly id: string; readonly problem: BatchProblem | null }[];

export const BATCH_KIND = 'kpi-batch';

/** Several KPI queries of one state, answered in order; a failed one carries its problem. */
export function kpiBatchKind(
  settings: KpiSettings,
  open: OpenSources,
): QueryKind<KpiBatch, SetShared<Planned>, SetWork, readonly BatchEntry[]> {
  const schema = kpiSchemaOf(settings.custom);
  return defineKind<KpiBatch, SetShared<Planned>, SetWork, readonly BatchEntry[]>({
    name: BATCH_KIND,
    schema: kpiBatchSchema,
    plan: (context, { queries, tenant, own_metrics, segment_members }) => {
      const sources = open(context);
      const ofTenant: OfTenant = {
        ...(tenant === undefined ? {} : { tenant }),
        ...(own_metrics === undefined ? {} : { own_metrics }),
        ...(segment_members === undefined ? {} : { segment_members }),
      };
      const planned = queries.map(({ id, ...body }) => {
        const parsed = schema.safeParse(body, { error: saysKnownMembers });
        if (!parsed.success) return { id, plan: null, problem: invalidBody(parsed.error) };
        try {
          return {
            id,
            plan: planKpis(context, sources, { ...parsed.data, ...ofTenant }, settings),
            problem: null,
          };
        } catch (error) {
          return { id, plan: null, problem: problemOf(error) };
        }
      });
      return planSet(
        BATCH_KIND,
        planned.map(({ plan }) => plan),
        planned.map(({ id, problem }) => ({ id, problem })),
      );
    },
    partial: (context, plan, work, cancel) => addSetWork(context, open, plan, work, cancel),
    merge: mergeSets,
    finish: (_context, plan, bytes) => {
      const answers = finishSet(plan, bytes, problemOf);
      return plan.shared.extra.map(({ id, problem }, index): BatchEntry => {
        const answer = problem ?? answers[index];
        if (answer === undefined) throw new Error(`the query "${id}" has neither an answer nor a problem`);
        return 'code' in answer ? { id, problem: answer } : { id, result: answer };
      });
    },
  });
}

/** Only what the client can mend is answered; anything else is ours and fails the request. */
function problemOf(error: unknown): BatchProblem {
  if (!(error instanceof QueryError)) throw error;
  const { code, status, message: detail, errors } = error;
  return { code, status, detail, errors };
}

function invalidBody({ issues }: z.ZodError): BatchProblem {
  const errors = issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  return { code: 'validation_failed', status: 422, detail: 'The query breaks the schema.', errors };
}
