import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  CUSTOMER_MODELS,
  churnFitSchema,
  customerModelSchemaOf,
  FORECAST_METHODS,
  GRANULARITY_NAMES,
  type GranularityName,
  HORIZON_MAX_STEPS,
  kpiSchemaOf,
  MODEL_HORIZON_MAX_DAYS,
  PERIOD_MAX_STEPS,
  valueFitSchema,
} from '../../../analytics/index.ts';
import type { DefinitionKind } from '../../../runtime/index.ts';
import { scheduleSchema, scheduleZoneSchema } from '../reports/index.ts';
import { regressorsSchema } from './forecast-regressors.ts';

/** Groups times steps of the horizon that one model keeps. */
export const MODEL_MAX_POINTS = 20_000;
export const MODEL_MAX_GROUPS = 300;
const MODELS_MAX = 1_000;

/** By granularity: steps of a season, and of the horizon where none is asked for. */
export const STEPS: Readonly<Record<GranularityName, { readonly season: number; readonly horizon: number }>> =
  {
    '1m': { season: 1, horizon: 60 },
    '5m': { season: 1, horizon: 24 },
    '15m': { season: 96, horizon: 96 },
    '1h': { season: 24, horizon: 48 },
    '1d': { season: 7, horizon: 28 },
    '1w': { season: 52, horizon: 13 },
    '1M': { season: 12, horizon: 12 },
    '1Q': { season: 4, horizon: 4 },
    '1Y': { season: 1, horizon: 2 },
  };

/** What a model is trained on, where `custom` dimensions are declared. */
export function datasetSchemaOf(custom: readonly string[]) {
  const { start, end, timezone, currency, group_by, filters } = kpiSchemaOf(custom).shape;
  return z.strictObject({
    metric: z.string().min(1).max(128).describe('A name of the metric catalogue'),
    ...{ group_by, filters, start, end, timezone, currency },
    granularity: z.enum(GRANULARITY_NAMES).describe('Width of a step; case matters (1m minute, 1M month)'),
  });
}

export const forecastParamsSchema = z.strictObject({
  method: z.enum(FORECAST_METHODS).default('auto'),
  horizon: z
    .int()
    .min(1)
    .max(HORIZON_MAX_STEPS)
    .optional()
    .describe('Steps; default: 28 days, 12 months, 13 weeks, 48 hours, 4 quarters'),
  season: z
    .int()
    .min(1)
    .max(PERIOD_MAX_STEPS)
    .optional()
    .describe('Steps of a season, 1 for none; default: 7 days, 12 months, 52 weeks, 24 hours, 4 quarters'),
  regressors: regressorsSchema.optional(),
});

export const MODEL_TYPES = ['demand_forecast', ...CUSTOMER_MODELS] as const;

const MODEL_NAME = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^@]+$/, 'must have no @')
  .regex(/^\S(.*\S)?$/, 'must have no blanks at its ends');

const retrainSchema = z.strictObject({
  schedule: scheduleSchema,
  timezone: scheduleZoneSchema,
  promote: z
    .enum(['if_better', 'always', 'never'])
    .default('if_better')
    .describe(
      'Whether a new version takes the place of the promoted one: unless its back-test is 10 % worse',
    ),
});
export type Retraining = z.output<typeof retrainSchema>;

const CUSTOMER_HORIZON = /^(\d{1,3})(d|w)$/;
/** Days of `90d` or `13w`. */
export function customerHorizonDays(given: string): number {
  const [, count, unit] = CUSTOMER_HORIZON.exec(given) ?? [];
  return Number(count) * (unit === 'w' ? 7 : 1);
}

/** Which customers a model is trained on, where `custom` dimensions are declared. */
function customersSchemaOf(custom: readonly string[]) {
  const { start, end, timezone, currency, filters } = customerModelSchemaOf(custom).shape;
  return z.strictObject({
    start: start.describe('Customers with their first order from here on'),
    ...{ end, timezone, currency, filters },
  });
}

const customerParamsSchema = z.strictObject({
  horizon: z
    .string()
    .regex(CUSTOMER_HORIZON, 'days or weeks: 90d, 13w')
    .refine(
      (given) => customerHorizonDays(given) >= 1 && customerHorizonDays(given) <= MODEL_HORIZON_MAX_DAYS,
      {
        error: `1 to ${MODEL_HORIZON_MAX_DAYS} days`,
      },
    )
    .default('90d')
    .describe('How far it looks ahead'),
});

/** A request to train, of each type. */
export function trainBodyOf(custom: readonly string[]) {
  const shared = {
    name: MODEL_NAME.optional().describe(
      'One that there is gets another version; promote says which one answers. Default: the id of the job',
    ),
    retrain: retrainSchema
      .nullable()
      .default(null)
      .describe('Trains another version by a schedule, on as long a range that ends then'),
  };
  const customers = {
    dataset: customersSchemaOf(custom),
    params: customerParamsSchema.prefault({}),
    ...shared,
  };
  return z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('demand_forecast'),
      dataset: datasetSchemaOf(custom),
      params: forecastParamsSchema.prefault({}),
      ...shared,
    }),
    z.strictObject({ type: z.literal('ltv'), ...customers }),
    z.strictObject({ type: z.literal('churn'), ...customers }),
  ]);
}
export type TrainBody = z.output<ReturnType<typeof trainBodyOf>>;

const accuracySchema = z.object({
  smape: z.number().describe('Percent, 0 to 200'),
  mase: z.number().nullable().describe('null: the history never changed'),
});

export const backTestSchema = z
  .object({
    ...accuracySchema.shape,
    origins: z.int(),
    naive: accuracySchema,
    seasonal_naive: accuracySchema,
    beats_naive: z.boolean().describe('It errs less than both naive methods'),
  })
  .describe('From origins before the end of the history; null where that is too short');

const groupMembers = {
  key: z.record(z.string(), z.string().nullable()),
  error: z.object({ code: z.string(), message: z.string() }).optional().describe('Why it has no forecast'),
  members: z.array(z.object({ method: z.string(), weight: z.number() })).describe('What the mean is made of'),
  back_test: backTestSchema.nullable(),
  effects: z
    .array(
      z.object({
        name: z.string(),
        effect: z.number().describe('Of one more of it: a factor, or what is added'),
        is_factor: z.boolean(),
        is_known: z.boolean().describe('Its future values were given'),
      }),
    )
    .default([])
    .describe('Of regressors'),
  is_rest: z.boolean().optional().describe('Of all groups together that are not listed or have no forecast'),
  steps: z.int().describe('Complete steps of the history'),
  scale: z.number().nullable().describe('Mean change from the season before: what MASE divides by'),
  warnings: z.array(z.string()),
};

/** A group as a model shows it. */
export const groupSchema = z.object(groupMembers);
/** With its mean and the ends of the intervals: 80 %, then 95 %, for each step. */
const keptGroupSchema = groupSchema.extend({ points: z.array(z.array(z.number()).length(5)) });
export type KeptGroup = z.output<typeof keptGroupSchema>;

export const positionsSchema = z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()])));

/** What a forecast was trained to. */
export const forecastContentSchema = z.object({
  kind: z.literal('forecast'),
  times: z.array(z.string()).describe('Starts of the steps that are forecast'),
  groups: z.array(keptGroupSchema),
  totals: z.array(keptGroupSchema).default([]).describe('Of the groups together, for each currency'),
});
export type ForecastContent = z.output<typeof forecastContentSchema>;

/** What a model of customers was trained to, and how it did. */
export const customerContentSchema = z.object({
  kind: z.literal('customers'),
  churn: churnFitSchema.optional(),
  value: valueFitSchema.optional(),
  test: z.looseObject({}).nullable(),
  customers: z.int(),
  currency: z.string().nullable(),
});
export type CustomerContent = z.output<typeof customerContentSchema>;

export const contentSchema = z.discriminatedUnion('kind', [forecastContentSchema, customerContentSchema]);
export type ModelContent = z.output<typeof contentSchema>;

const scoreSchema = z
  .object({
    measure: z.enum(['mase', 'smape', 'brier', 'mean_error']).describe('Less is better'),
    value: z.number(),
    baseline: z.string().describe('What it must beat'),
    baseline_value: z.number(),
    beats_baseline: z.boolean(),
  })
  .describe('Of the back-test; null where the history is too short for one');

/** What training gave; what a prediction needs lies in the object store. */
const trainedSchema = z.object({
  trained_at: z.string(),
  code_version: z.int().describe('Of the methods'),
  definition_hash: z.string().describe('Of type, data and parameters'),
  position: z.record(z.string(), z.record(z.string(), z.number())).describe('Of the stream'),
  history: z.object({ first: z.string(), last: z.string() }).describe('The first and the last step'),
  groups_left_out: z.int().describe('Groups beyond the limit: the smallest'),
  score: scoreSchema.nullable(),
  warnings: z.array(z.string()),
  object: z
    .object({ name: z.string(), sha256: z.string(), size_bytes: z.int() })
    .describe('In the bucket `millrace-models`'),
});
export type Trained = z.output<typeof trainedSchema>;
export const trainedMembers = trainedSchema.shape;

/** A version of a model as it is kept; what is in `trained` never changes. */
const modelBodySchema = z.object({
  type: z.enum(MODEL_TYPES),
  /** What its versions are asked by. */
  family: z.string(),
  version: z.int(),
  // Checked when it was made: a dimension may be gone since.
  dataset: z.looseObject({ start: z.string(), end: z.string() }),
  params: z.looseObject({}),
  retrain: retrainSchema.nullable(),
  job_id: z.string(),
  trained: trainedSchema.nullable(),
});
export type ModelBody = z.output<typeof modelBodySchema>;

export const MODELS: DefinitionKind<ModelBody> = {
  kind: 'model',
  schema: modelBodySchema,
  limit: MODELS_MAX,
};

/** Which version answers for a name. */
export const PROMOTED: DefinitionKind<{ readonly model_id: string }> = {
  kind: 'promoted_model',
  schema: z.object({ model_id: z.string() }),
  limit: MODELS_MAX,
};

export function definitionHash(of: Pick<ModelBody, 'type' | 'dataset' | 'params'>): string {
  const { type, dataset, params } = of;
  return createHash('sha256')
    .update(JSON.stringify([type, dataset, params]))
    .digest('hex');
}
