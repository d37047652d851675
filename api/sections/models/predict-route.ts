import { z } from 'zod';
import { MAX_CUSTOMERS_A_PAGE } from '../../../analytics/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import { analyticsOf, BODY_PROBLEMS, HEAD_PROBLEMS, maskFor, runQuery, wishOf } from '../../answers/index.ts';
import { ApiError, type RawCall, type Route, route } from '../../http/index.ts';
import { customerPage, pageQuery } from '../customers/index.ts';
import { customersQuery } from './customer-training.ts';
import { wholeParams } from './forecast-queries.ts';
import { regressorAssumptions } from './forecast-regressors.ts';
import {
  backTestSchema,
  type CustomerContent,
  type ForecastContent,
  groupSchema,
  MODEL_TYPES,
  type ModelBody,
  positionsSchema,
  type Trained,
} from './model-schema.ts';
import { type ModelRouteParts, modelParams, statusOf } from './model-view.ts';

type Model = Definition<ModelBody>;

const forecastSchema = z.object({
  key: groupSchema.shape.key,
  back_test: backTestSchema.nullable(),
  effects: groupSchema.shape.effects,
  is_rest: groupSchema.shape.is_rest,
  warnings: z.array(z.string()),
  points: z.array(
    z.object({
      time: z.string(),
      mean: z.number().describe('Money in minor units, not rounded'),
      ...{ lower_80: z.number(), upper_80: z.number(), lower_95: z.number(), upper_95: z.number() },
    }),
  ),
});

const predictionSchema = z.object({
  model_id: z.string(),
  name: z.string(),
  version: z.int(),
  type: z.enum(MODEL_TYPES),
  trained_at: z.string(),
  code_version: z.int(),
  definition_hash: z.string(),
  position: positionsSchema,
  assumptions: z.array(z.string()),
  metric: z.string().optional().describe('Of a forecast'),
  method: z.string().optional(),
  groups: z.array(forecastSchema).optional().describe('Of a forecast'),
  totals: z
    .array(forecastSchema)
    .optional()
    .describe('Of a forecast of groups: all of them together, for each currency, whatever `key` asks for'),
  horizon: z.string().optional().describe('Of a model of customers'),
  currency: z.string().nullable().optional(),
  customers_total: z.int().optional(),
  customers: z
    .array(
      z.object({
        customer_id: z.string().nullable().describe('null: no event that says it is in the stream any more'),
        customer_key: z.string(),
        ...{ purchase_days: z.int(), first_day: z.string(), last_day: z.string() },
        value_to_date: z.number().describe('Minor units'),
        probability_of_churn: z.number().optional().describe('That no purchase comes in the horizon'),
        ...{ expected_purchases: z.number(), probability_alive: z.number() },
        expected_value: z.number().nullable().optional().describe('In the horizon, minor units'),
      }),
    )
    .optional()
    .describe('Those most likely to leave first, or those who bring most'),
  next_cursor: z.string().nullable().optional(),
});

const predictBody = z.strictObject({
  horizon: z.int().min(1).optional().describe('Of a forecast: steps; default: those that it was trained for'),
  key: z
    .record(z.string(), z.string().nullable())
    .optional()
    .describe('Of a forecast: only groups with these values, such as {"country": "GB"}'),
  as_of_now: z
    .boolean()
    .default(false)
    .describe(
      'Of customers: as they are now. Default: as they were when the model was trained, so that it says the same',
    ),
  limit: z.int().min(1).max(MAX_CUSTOMERS_A_PAGE).default(100).describe('Customers a page'),
  cursor: z.string().max(4_096).optional(),
});
type PredictBody = z.output<typeof predictBody>;

export function predictRoute(parts: ModelRouteParts): Route {
  return route({
    id: 'predictByModel',
    method: 'POST',
    path: '/models/{modelId}/predict',
    tag: 'Models',
    summary: 'What a model says',
    description:
      'A name in place of an id asks its promoted version. The same id gives the same answer, for as long as it is ' +
      'there: a forecast was made in training; customers are scored as they were then.',
    permission: 'kpis:read',
    params: modelParams,
    body: predictBody,
    body_examples: { week: { summary: 'Three steps', value: { horizon: 3 } } },
    answers: { 200: { description: 'The prediction', schema: predictionSchema } },
    problems: [
      ...new Set([
        ...[...BODY_PROBLEMS, ...HEAD_PROBLEMS],
        ...(['not_found', 'wrong_state', 'invalid_cursor', 'cursor_mismatch'] as const),
        ...([
          'objects_unavailable',
          'object_damaged',
          'model_outdated',
          'currency_required',
          'fx_rate_missing',
        ] as const),
      ]),
    ],
    handle: async (call) => {
      const model = parts.versions.find(call.tenant, call.params.modelId);
      requireSeen(parts, call, model);
      const { trained } = model.body;
      if (trained === null) throw await notTrained(parts, model);
      const content = await parts.contents.get(trained);
      const said =
        content.kind === 'forecast'
          ? forecastOf(model, content, call.body)
          : await customersOf(parts, call, model, content, call.body);
      return { status: 200, json: { ...headOf(model, trained), ...said } };
    },
  });
}

/** Names of groups are values of dimensions, which the caller may not see. Throws 403. */
export function requireSeen({ answers }: ModelRouteParts, call: RawCall, { body }: Model): void {
  const mask = maskFor(call.principal, answers.tenants?.maskedOf(call.tenant));
  const { group_by } = body.dataset;
  if (Array.isArray(group_by)) mask.requireDimensions(group_by.map(String));
}

async function notTrained(parts: ModelRouteParts, model: Model): Promise<ApiError> {
  const status = await statusOf(parts.jobs, model);
  const { job_id } = model.body;
  const message = `The model is not ready: its training is "${status}". See GET /jobs/${job_id}.`;
  return new ApiError('wrong_state', message);
}

function headOf({ id, body }: Model, trained: Trained): object {
  const { trained_at, code_version, definition_hash, position } = trained;
  return {
    ...{ model_id: id, name: body.family, version: body.version, type: body.type },
    ...{ trained_at, code_version, definition_hash, position },
  };
}

function forecastOf({ body }: Model, content: ForecastContent, { horizon, key = {} }: PredictBody): object {
  const { times, groups, totals } = content;
  if (horizon !== undefined && horizon > times.length) throw tooFar(times.length);
  const isAsked = (group: ForecastContent['groups'][number]): boolean =>
    group.error === undefined && Object.entries(key).every(([name, value]) => group.key[name] === value);
  const shown = ({
    key: of,
    is_rest,
    back_test,
    effects,
    warnings,
    points,
  }: ForecastContent['groups'][number]) => ({
    ...{ key: of, back_test, effects, warnings },
    ...(is_rest === undefined ? {} : { is_rest }),
    points: points.slice(0, horizon).map((point, at) => {
      const [mean = 0, lower_80 = 0, upper_80 = 0, lower_95 = 0, upper_95 = 0] = point;
      return { time: times[at] ?? '', mean, lower_80, upper_80, lower_95, upper_95 };
    }),
  });
  const { regressors } = wholeParams.parse(body.params);
  return {
    ...{ metric: body.dataset.metric, method: body.params.method },
    assumptions: [
      ...FORECAST_ASSUMPTIONS,
      ...regressorAssumptions(regressors),
      ...(totals.length > 0 ? ['The total is the sum of the groups at every step.'] : []),
    ],
    groups: groups.filter(isAsked).map(shown),
    totals: totals.map(shown),
  };
}

function tooFar(horizon: number): ApiError {
  const message = `is at most ${horizon}, which the model was trained for; train one with a longer params.horizon`;
  return new ApiError('validation_failed', `horizon ${message}.`, { errors: [{ path: 'horizon', message }] });
}

const FORECAST_ASSUMPTIONS = [
  'What comes goes on as the history did: no promotion, price or stock-out that was not in it.',
  'The intervals are as wide as the errors of the back-test.',
];

async function customersOf(
  parts: ModelRouteParts,
  call: RawCall,
  model: Model,
  { churn, value, currency }: CustomerContent,
  { limit, cursor, as_of_now }: PredictBody,
): Promise<object> {
  const { queries, custom } = analyticsOf(parts.answers.ports.settings);
  const { trained, params } = model.body;
  const trainedOn = customersQuery(model.body, custom);
  const now = new Date(parts.answers.ports.clock.now()).toISOString();
  const asked = {
    ...trainedOn,
    ...{ limit, offset: 0, churn, value },
    ...(as_of_now || trained === null
      ? { end: now, end_is_now: true }
      : { as_of: trained.position, end: trained.history.last }),
  };
  const query = pageQuery(parts.cursors, asked, cursor);
  const { end_is_now: _, ...pure } = query as typeof asked & { readonly end_is_now?: boolean };
  const { answer } = await runQuery(parts.answers, call, queries.customerModel, pure, { wish: wishOf(pure) });
  const page = await customerPage(parts.answers, call, parts.cursors, query, answer);
  const { observed_until: __, ...shown } = page;
  return {
    ...{ currency, horizon: params.horizon, ...shown },
    assumptions: [
      'Customers go on buying and leaving as those of the history did.',
      churn === undefined || churn.logistic !== null
        ? 'Probabilities and values are of whole groups: of one customer they say how much is likely, not what comes.'
        : 'Too few customers bought again to put BG/NBD right: its probabilities stand alone.',
    ],
  };
}
