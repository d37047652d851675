import { z } from 'zod';
import { segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';
import { MAX_CUSTOMERS_A_PAGE } from './rfm-schema.ts';

export const CUSTOMER_MODELS = ['ltv', 'churn'] as const;
export const MODEL_HORIZON_MAX_DAYS = 730;

const purchases = z.object({
  ...{ r: z.number(), alpha: z.number(), a: z.number(), b: z.number(), converged: z.boolean() },
});

/** What training gave, as it is stored. */
export const churnFitSchema = z.object({
  purchases,
  logistic: z.object({ coefficients: z.array(z.number()), mean_log_value: z.number() }).nullable(),
});
export const valueFitSchema = z.object({
  purchases,
  values: z.object({ p: z.number(), q: z.number(), gamma: z.number(), converged: z.boolean() }).nullable(),
});

/** A model of customers to be trained, or asked with what it was trained to. */
export function customerModelSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}),
    model: z.enum(CUSTOMER_MODELS),
    horizon_days: z.int().min(1).max(MODEL_HORIZON_MAX_DAYS),
    churn: churnFitSchema.optional(),
    value: valueFitSchema.optional(),
    limit: z.int().min(0).max(MAX_CUSTOMERS_A_PAGE).default(100),
    offset: z.int().min(0).max(100_000_000).default(0),
  });
}

export type CustomerModelQuery = z.output<ReturnType<typeof customerModelSchemaOf>>;
