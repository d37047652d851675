import { z } from 'zod';
import type { FamilyAnswer, FamilyShared, QueryHead } from '../../analytics/index.ts';
import type { QueryKind } from '../../engine/index.ts';
import {
  type Answer,
  booleanParam,
  type DocumentedAnswer,
  type Examples,
  type Permission,
  type ProblemCode,
  type RawCall,
  type Route,
  type RouteInfo,
  route,
  timeText,
} from '../http/index.ts';
import { type AnswerParts, type AnswerState, metaOf, metaSchema, wishOf } from './answer-meta.ts';
import { planQuery, QUERY_RUN_PROBLEMS, runQuery } from './query-run.ts';

/** Problems of a JSON body. */
export const BODY_PROBLEMS = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
] as const satisfies readonly ProblemCode[];

/** Problems of every query over a range of time. */
export const HEAD_PROBLEMS = [
  ...QUERY_RUN_PROBLEMS,
  'invalid_range',
  'range_not_aligned',
  'unknown_timezone',
  'unknown_dimension',
  'dimension_backfilling',
  'dimension_failed',
  'unknown_query_id',
  'position_ahead',
  'behind_retention',
] as const satisfies readonly ProblemCode[];

/** A POST route that asks one kind of query. */
export interface QueryRouteSpec<P extends z.ZodType, B extends z.ZodType, Q extends QueryHead, S, W> {
  /** Unique; the operation's id. */
  readonly id: string;
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly permission: Permission;
  readonly audited?: RouteInfo['audited'];
  readonly kind: QueryKind<Q, S & FamilyShared<Q>, W, FamilyAnswer>;
  readonly params?: P;
  readonly body: B;
  readonly body_examples: Examples;
  /** Members of the answer beside `query_id`, `calculated_at`, `explain` and `meta`. */
  readonly answer: z.ZodObject;
  readonly example?: unknown;
  /** Beyond those of bodies and of every query. */
  readonly problems?: readonly ProblemCode[];
  /** Makes a job of it for `async`, where it can be one. */
  readonly asJob?: {
    readonly answer: DocumentedAnswer;
    readonly problems: readonly ProblemCode[];
    make(call: RawCall, query: Q): Promise<Answer>;
  };
  /** The query that a request means; default: its body. */
  readonly queryOf?: (call: RawCall & { readonly params: z.output<P> }, body: z.output<B>) => Q | Promise<Q>;
  /** The answer with what the kind cannot know of its own: from payloads in the stream. Default: the kind's. */
  readonly answerOf?: (call: RawCall, query: Q, answer: FamilyAnswer) => Promise<FamilyAnswer>;
  /** The members of the body, where more than the kind knows goes into them: ids, cursors. Default: the answer's. */
  readonly bodyOf?: (
    call: RawCall,
    query: Q,
    answer: FamilyAnswer,
  ) => Promise<Readonly<Record<string, unknown>>>;
}

const onPlan = {
  dry_run: booleanParam.optional().describe('Checks the query and answers its plan'),
  explain: booleanParam.optional().describe('Answers the plan beside the numbers'),
};

const asJob = booleanParam.optional().describe('Answers 202 with a job, whose result is the answer');

const planSchema = z.object({
  dry_run: z.literal(true),
  plan: z
    .looseObject({
      rows: z.int().describe('Rows of the event log to be looked at'),
      bytes: z.int(),
      cost_ms: z.number().describe('CPU time, estimated'),
      runs: z.string().describe('Where it would run: `inline`, `split` or `whole`'),
    })
    .describe('What the query would read'),
  refused: z.object({ code: z.string(), detail: z.string() }).optional().describe('Why it would not be run'),
  meta: metaSchema,
});

/**
 * A route of a family of queries: checks the body, waits for the freshness that is asked for, answers the plan for
 * `dry_run`, else runs the query; with `meta`. A family is its kind, its schemas and this.
 */
export function queryRoute<
  B extends z.ZodType,
  Q extends QueryHead,
  S,
  W,
  P extends z.ZodType = z.ZodUndefined,
>(parts: AnswerParts, spec: QueryRouteSpec<P, B, Q, S, W>): Route {
  const { id, path, tag, summary, description, permission, kind, params, body, body_examples } = spec;
  const answerSchema = spec.answer.extend({
    query_id: z.string().describe('Names the answer for `as_of`'),
    calculated_at: z.string(),
    explain: z.looseObject({}).optional().describe('The plan, where `explain` asks for it'),
    meta: metaSchema,
  });
  return route({
    ...{ id, method: 'POST' as const, path, tag, summary, description, permission, body, body_examples },
    ...(params === undefined ? {} : { params }),
    ...(spec.audited === undefined ? {} : { audited: spec.audited }),
    query: z.strictObject(spec.asJob === undefined ? onPlan : { ...onPlan, async: asJob }),
    answers: {
      ...(spec.asJob === undefined ? {} : { 202: spec.asJob.answer }),
      200: {
        description: 'The answer; its plan for `dry_run`',
        schema: z.union([answerSchema, planSchema]),
        ...(spec.example === undefined ? {} : { example: spec.example }),
      },
    },
    problems: [
      ...new Set<ProblemCode>([
        ...[...BODY_PROBLEMS, ...HEAD_PROBLEMS, ...(spec.problems ?? []), ...(spec.asJob?.problems ?? [])],
      ]),
    ],
    handle: async (call) => {
      const given = call.body as z.output<B>;
      const meant = spec.queryOf?.({ ...call, params: call.params as z.output<P> }, given);
      const asked = (await meant) ?? (given as unknown as Q);
      const query = call.query.explain === true ? { ...asked, explain: true } : asked;
      const wish = { wish: wishOf(query) };
      if (spec.asJob !== undefined && 'async' in call.query && call.query.async === true) {
        const unhurried = { wish: { ...wish.wish, force_fresh: false } };
        const { refused } = await planQuery(parts, call, kind, query, unhurried);
        if (refused !== undefined) throw refused;
        return await spec.asJob.make(call, query);
      }
      if (call.query.dry_run === true || query.dry_run === true) {
        const { plan, refused, runs, state } = await planQuery(parts, call, kind, query, wish);
        const { header } = plan.shared as FamilyShared<Q>;
        const { rows, bytes, cost_ms, explain, source } = plan;
        return {
          status: 200,
          json: {
            dry_run: true,
            plan: { ...explain, rows, bytes, cost_ms, runs },
            ...(refused === undefined ? {} : { refused: { code: refused.code, detail: refused.message } }),
            meta: metaOf(state, call.tenant, { ...header, source }),
          },
        };
      }
      const { answer: found, state } = await runQuery(parts, call, kind, query, wish);
      const answer = (await spec.answerOf?.(call, query, found)) ?? found;
      const { query_id, header, source, approximate, warnings, backfilling, explain } = answer;
      return {
        status: 200,
        json: {
          query_id,
          ...((await spec.bodyOf?.(call, query, answer)) ?? answer.body),
          calculated_at: timeText(parts.ports.clock.now()),
          ...(explain === undefined ? {} : { explain }),
          meta: metaOf(state, call.tenant, {
            ...{ ...header, source },
            ...(approximate === undefined ? {} : { approximate }),
            ...(warnings === undefined ? {} : { warnings }),
            ...(backfilling === undefined ? {} : { backfilling }),
          }),
        },
      };
    },
  });
}

/** An answer of a family as HTTP shows it. */
export function familyView(
  parts: AnswerParts,
  state: AnswerState,
  tenant: string,
  { query_id, header, source, approximate, warnings, explain, body }: FamilyAnswer,
): Readonly<Record<string, unknown>> {
  return {
    query_id,
    ...body,
    calculated_at: timeText(parts.ports.clock.now()),
    ...(explain === undefined ? {} : { explain }),
    meta: metaOf(state, tenant, {
      ...{ ...header, source },
      ...(approximate === undefined ? {} : { approximate }),
      ...(warnings === undefined ? {} : { warnings }),
    }),
  };
}
