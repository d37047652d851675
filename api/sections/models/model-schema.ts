import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  FORECAST_METHODS,
  GRANULARITY_NAMES,
  type GranularityName,
  HORIZON_MAX_STEPS,
  kpiSchemaOf,
  PERIOD_MAX_STEPS,
} from '../../../analytics/index.ts';
import type { DefinitionKind } from '../../../runtime/index.ts';

/** Groups times steps of the horizon that one model keeps. */
export const MODEL_MAX_POINTS = 500;
export const MODEL_MAX_GROUPS = 30;
const MODELS_MAX = 200;

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

const paramsSchema = z.strictObject({
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
});

export const MODEL_TYPES = ['demand_forecast', 'ltv', 'churn'] as const;

export function trainBodyOf(custom: readonly string[]) {
  return z.strictObject({
    type: z.enum(MODEL_TYPES).describe('`ltv` and `churn` are not models yet: POST /customers/ltv predicts'),
    name: z.string().min(1).max(128).optional().describe('Default: the id of the job'),
    dataset: datasetSchemaOf(custom),
    params: paramsSchema.prefault({}),
  });
}

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
  steps: z.int().describe('Complete steps of the history'),
  warnings: z.array(z.string()),
};

/** A group as a model shows it. */
export const groupSchema = z.object(groupMembers);
/** With its mean and the ends of the intervals: 80 %, then 95 %, for each step. */
const keptGroupSchema = groupSchema.extend({ points: z.array(z.array(z.number()).length(5)) });
export type KeptGroup = z.output<typeof keptGroupSchema>;

export const positionsSchema = z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()])));

/** What training gave. */
const trainedSchema = z.object({
  trained_at: z.string(),
  code_version: z.int().describe('Of the methods'),
  definition_hash: z.string().describe('Of type, data and parameters'),
  position: positionsSchema.describe('Of the stream: what the model was trained on'),
  history: z.object({ first: z.string(), last: z.string() }).describe('The first and the last step'),
  times: z.array(z.string()).describe('Starts of the steps that are forecast'),
  groups_left_out: z.int().describe('Groups beyond the limit: the smallest'),
  groups: z.array(keptGroupSchema),
});

/** A model as it is kept; what is in `trained` never changes. */
const modelBodySchema = z.object({
  type: z.literal('demand_forecast'),
  // Checked when it was made: a dimension may be gone since.
  dataset: z.looseObject({ metric: z.string(), group_by: z.array(z.string()), granularity: z.string() }),
  params: paramsSchema.extend({ horizon: z.int(), season: z.int() }),
  job_id: z.string(),
  trained: trainedSchema.nullable(),
});
export type ModelBody = z.output<typeof modelBodySchema>;

export const MODELS: DefinitionKind<ModelBody> = {
  kind: 'model',
  schema: modelBodySchema,
  limit: MODELS_MAX,
};

export function definitionHash(of: Pick<ModelBody, 'type' | 'dataset' | 'params'>): string {
  const { type, dataset, params } = of;
  return createHash('sha256')
    .update(JSON.stringify([type, dataset, params]))
    .digest('hex');
}
