import { z } from 'zod';
import { GRANULARITY_NAMES, kpiSchemaOf, saysKnownMembers } from '../../../analytics/index.ts';
import { type Definition, type Jobs, type KindDefinitions, newJobId } from '../../../runtime/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  BODY_PROBLEMS,
  HEAD_PROBLEMS,
  maskFor,
  planQuery,
  wishOf,
} from '../../answers/index.ts';
import {
  DEFINITION_MEMBERS,
  definitionPage,
  definitionView,
  requireDefinition,
  revisionOf,
} from '../../definitions/index.ts';
import {
  ApiError,
  type Cursors,
  errorsOf,
  listQuery,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import {
  backTestSchema,
  groupSchema,
  MODEL_TYPES,
  type ModelBody,
  positionsSchema,
  STEPS,
  trainBodyOf,
} from './model-schema.ts';
import { historyQuery, TRAINING_JOB, type TrainingInput } from './train-job.ts';

export interface ModelRouteParts extends JobMaking {
  readonly answers: AnswerParts;
  readonly models: KindDefinitions<ModelBody>;
  readonly cursors: Cursors;
}

const params = z.object({ modelId: z.string().max(128) });

const modelSchema = z.object({
  ...DEFINITION_MEMBERS,
  type: z.enum(MODEL_TYPES),
  status: z.enum(['training', 'ready', 'failed', 'cancelled']),
  job_id: z.string().describe('GET /jobs/{jobId} says how far training is, and why it failed'),
  dataset: z.looseObject({ metric: z.string(), granularity: z.enum(GRANULARITY_NAMES) }),
  params: z.object({ method: z.string(), horizon: z.int(), season: z.int() }),
  trained_at: z.string().nullable(),
  code_version: z.int().nullable(),
  definition_hash: z.string().nullable(),
  position: positionsSchema.nullable().describe('What the model was trained on'),
  history: z.object({ first: z.string(), last: z.string() }).nullable(),
  groups_left_out: z.int().nullable(),
});
const wholeSchema = modelSchema.extend({ groups: z.array(groupSchema) });

const predictionSchema = z.object({
  model_id: z.string(),
  type: z.enum(MODEL_TYPES),
  metric: z.string(),
  method: z.string(),
  trained_at: z.string(),
  code_version: z.int(),
  definition_hash: z.string(),
  position: positionsSchema,
  assumptions: z.array(z.string()),
  groups: z.array(
    z.object({
      key: z.record(z.string(), z.string().nullable()),
      back_test: backTestSchema.nullable(),
      warnings: z.array(z.string()),
      points: z.array(
        z.object({
          time: z.string(),
          mean: z.number().describe('Money in minor units, not rounded'),
          lower_80: z.number(),
          upper_80: z.number(),
          lower_95: z.number(),
          upper_95: z.number(),
        }),
      ),
    }),
  ),
});

const EXAMPLE = {
  type: 'demand_forecast',
  name: 'orders',
  dataset: {
    metric: 'orders_count',
    granularity: '1d',
    start: '2025-08-01T00:00:00Z',
    end: '2025-08-25T00:00:00Z',
  },
  params: { horizon: 7 },
};

/** Section 12: models. */
export function modelRoutes(parts: ModelRouteParts): readonly Route[] {
  return [trainRoute(parts), listRoute(parts), getRoute(parts), predictRoute(parts), deleteRoute(parts)];
}

function trainRoute(parts: ModelRouteParts): Route {
  const { custom, queries } = analyticsOf(parts.answers.ports.settings);
  const schema = kpiSchemaOf(custom);
  return route({
    id: 'trainModel',
    method: 'POST',
    path: '/models/train',
    tag: 'Models',
    summary: 'Train a model',
    description:
      'A job reads the metric, group by group, and forecasts each. Steps that are not complete are left out. The ' +
      'result of the job has `model_id`. See docs/forecasts.md for the methods.',
    permission: 'definitions:write',
    body: trainBodyOf(custom),
    body_examples: { orders: { summary: 'Orders by day', value: EXAMPLE } },
    idempotent: true,
    answers: {
      202: {
        description: 'The job',
        schema: jobSchema,
        headers: { Location: 'The job' },
        example: { ...JOB_EXAMPLE, type: TRAINING_JOB, lane: 'training' },
      },
    },
    problems: [
      ...new Set([
        ...[...BODY_PROBLEMS, ...HEAD_PROBLEMS],
        ...(['currency_required', 'fx_rate_missing', 'too_many_points', 'name_taken'] as const),
        ...(['not_supported', 'too_many_jobs', 'kv_unavailable'] as const),
      ]),
    ],
    handle: async (call) => {
      const { type, name = null, dataset, params: given } = call.body;
      if (type !== 'demand_forecast') throw notSupported(type);
      const { metric, ...rest } = dataset;
      const query = checkedQuery(schema, { metrics: [metric], ...rest });
      const { season, horizon } = STEPS[dataset.granularity];
      const input: TrainingInput = {
        ...{ type, name, query },
        dataset: { ...dataset },
        params: { ...given, season: given.season ?? season, horizon: given.horizon ?? horizon },
      };
      // What cannot be answered is refused now, not in a job.
      const asked = historyQuery(query, input.params.horizon);
      const wish = { wish: { ...wishOf(query), force_fresh: false } };
      const { refused } = await planQuery(parts.answers, call, queries.kpis, asked, wish);
      if (refused !== undefined) throw refused;
      const job = { type: TRAINING_JOB, input, job_id: newJobId() };
      return createJob(parts, call, job, () => requireFree(parts, call.tenant, name));
    },
  });
}

const notSupported = (type: string): ApiError =>
  new ApiError(
    'not_supported',
    `Models of the type ${type} cannot be trained yet. POST /customers/ltv predicts.`,
  );

function checkedQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query, { error: saysKnownMembers });
  if (parsed.success) return parsed.data;
  const errors = errorsOf(parsed.error, 'dataset');
  const [first] = errors;
  throw new ApiError('validation_failed', `The data set is not valid. ${first?.path}: ${first?.message}`, {
    errors,
  });
}

function requireFree({ models }: ModelRouteParts, tenant: string, name: string | null): void {
  if (name === null || models.byName(tenant, name) === undefined) return;
  throw new ApiError('name_taken', `There is a model "${name}". Give another name, or delete it first.`);
}

/** How it is with a model: what its job says until it is trained. */
async function statusOf(jobs: Jobs, { tenant, body }: Definition<ModelBody>): Promise<string> {
  if (body.trained !== null) return 'ready';
  const job = await jobs.get(tenant, body.job_id).catch(() => undefined);
  if (job === undefined || job.status === 'failed') return 'failed';
  return job.status === 'cancelled' ? 'cancelled' : 'training';
}

async function viewOf({ jobs }: ModelRouteParts, model: Definition<ModelBody>): Promise<object> {
  const { trained, ...body } = model.body;
  const { groups: _, times: __, ...said } = trained ?? UNTRAINED;
  return { ...definitionView({ ...model, body }), status: await statusOf(jobs, model), ...said };
}

const UNTRAINED = {
  ...{ trained_at: null, code_version: null, definition_hash: null, position: null, history: null },
  ...{ groups_left_out: null, groups: [], times: [] },
};

/** Names of groups are values of dimensions, which the caller may not see. Throws 403. */
function requireSeen({ answers }: ModelRouteParts, call: RawCall, { body }: Definition<ModelBody>): void {
  const mask = maskFor(call.principal, answers.tenants?.maskedOf(call.tenant));
  mask.requireDimensions(body.dataset.group_by);
}

function listRoute(parts: ModelRouteParts): Route {
  const { models, cursors } = parts;
  return route({
    id: 'listModels',
    method: 'GET',
    path: '/models',
    tag: 'Models',
    summary: 'List the models of the tenant, oldest first',
    permission: 'definitions:read',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of models',
        schema: z.object({ models: z.array(modelSchema), next_cursor: z.string().nullable() }),
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: async ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(models, cursors, tenant, query);
      const views = await Promise.all(items.map((model) => viewOf(parts, model)));
      return { status: 200, json: { models: views, next_cursor } };
    },
  });
}

function getRoute(parts: ModelRouteParts): Route {
  return route({
    id: 'getModel',
    method: 'GET',
    path: '/models/{modelId}',
    tag: 'Models',
    summary: 'One model: what it was trained on, and how good it was in the back-test',
    permission: 'definitions:read',
    params,
    answers: { 200: { description: 'The model', schema: wholeSchema } },
    problems: ['not_found', 'field_masked'],
    handle: async (call) => {
      const model = requireDefinition(parts.models, call, call.params.modelId);
      requireSeen(parts, call, model);
      const groups = (model.body.trained?.groups ?? []).map(({ points: _, ...group }) => group);
      return { status: 200, json: { ...(await viewOf(parts, model)), groups } };
    },
  });
}

const predictBody = z.strictObject({
  horizon: z.int().min(1).optional().describe('Steps; at most and by default those that it was trained for'),
  key: z
    .record(z.string(), z.string().nullable())
    .optional()
    .describe('Only groups with these values, such as {"country": "GB"}'),
});

function predictRoute(parts: ModelRouteParts): Route {
  return route({
    id: 'predictByModel',
    method: 'POST',
    path: '/models/{modelId}/predict',
    tag: 'Models',
    summary: 'The forecast of a model, with intervals',
    description: 'The same model gives the same answer, for as long as it is there.',
    permission: 'kpis:read',
    params,
    body: predictBody,
    body_examples: { week: { summary: 'Three steps', value: { horizon: 3 } } },
    answers: { 200: { description: 'The forecast', schema: predictionSchema } },
    problems: [...BODY_PROBLEMS, 'not_found', 'wrong_state', 'field_masked'],
    handle: async (call) => {
      const model = requireDefinition(parts.models, call, call.params.modelId);
      requireSeen(parts, call, model);
      const { trained } = model.body;
      if (trained === null) throw await notTrained(parts, model);
      const { horizon = model.body.params.horizon, key = {} } = call.body;
      if (horizon > model.body.params.horizon) throw tooFar(model.body.params.horizon);
      return { status: 200, json: predictionOf(model, trained, horizon, key) };
    },
  });
}

async function notTrained({ jobs }: ModelRouteParts, model: Definition<ModelBody>): Promise<ApiError> {
  const status = await statusOf(jobs, model);
  const { job_id } = model.body;
  return new ApiError(
    'wrong_state',
    `The model is not ready: its training is "${status}". See GET /jobs/${job_id}.`,
  );
}

function tooFar(horizon: number): ApiError {
  const message = `is at most ${horizon}, which the model was trained for; train one with a longer params.horizon`;
  return new ApiError('validation_failed', `horizon ${message}.`, { errors: [{ path: 'horizon', message }] });
}

function predictionOf(
  { id, body }: Definition<ModelBody>,
  trained: NonNullable<ModelBody['trained']>,
  horizon: number,
  key: Readonly<Record<string, string | null>>,
): z.input<typeof predictionSchema> {
  const { trained_at, code_version, definition_hash, position, times } = trained;
  const isAsked = (group: (typeof trained.groups)[number]): boolean =>
    group.error === undefined && Object.entries(key).every(([name, value]) => group.key[name] === value);
  return {
    ...{ model_id: id, type: body.type, metric: body.dataset.metric, method: body.params.method },
    ...{ trained_at, code_version, definition_hash, position },
    assumptions: ASSUMPTIONS,
    groups: trained.groups.filter(isAsked).map(({ key: of, back_test, warnings, points }) => ({
      ...{ key: of, back_test, warnings },
      points: points.slice(0, horizon).map((point, at) => {
        const [mean = 0, lower_80 = 0, upper_80 = 0, lower_95 = 0, upper_95 = 0] = point;
        return { time: times[at] ?? '', mean, lower_80, upper_80, lower_95, upper_95 };
      }),
    })),
  };
}

const ASSUMPTIONS = [
  'What comes goes on as the history did: no promotion, price or stock-out that was not in it.',
  'The intervals are as wide as the errors of the back-test.',
];

function deleteRoute({ models }: ModelRouteParts): Route {
  return route({
    id: 'deleteModel',
    method: 'DELETE',
    path: '/models/{modelId}',
    tag: 'Models',
    summary: 'Delete a model',
    permission: 'definitions:write',
    params,
    conditional: true,
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'revision_conflict', 'kv_unavailable'],
    handle: async ({ tenant, params: { modelId }, request }) => {
      await models.delete(tenant, modelId, revisionOf(request));
      return { status: 204 };
    },
  });
}
