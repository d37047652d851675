import { CAMPAIGN_SPEND, type KpiQuery, kpiSchemaOf, saysKnownMembers } from '../../../analytics/index.ts';
import { ApiError, errorsOf } from '../../http/index.ts';
import type { RegressorsWish } from './forecast-regressors.ts';
import { forecastParamsSchema, MODEL_MAX_GROUPS, MODEL_MAX_POINTS, type ModelBody } from './model-schema.ts';

/** As they are once defaults are filled in. */
export const wholeParams = forecastParamsSchema.required({ season: true, horizon: true });

/** The query that a model's history is the answer of. Throws ApiError `validation_failed`. */
export function historyQuery(
  { dataset, params }: Pick<ModelBody, 'dataset' | 'params'>,
  custom: readonly string[],
): KpiQuery {
  const { metric, ...rest } = dataset;
  const query = checkedQuery(custom, { metrics: [metric], ...rest });
  const { horizon } = wholeParams.parse(params);
  return { ...query, limit: Math.min(MODEL_MAX_GROUPS, Math.floor(MODEL_MAX_POINTS / horizon)) };
}

function checkedQuery(custom: readonly string[], query: unknown): KpiQuery {
  const parsed = kpiSchemaOf(custom).safeParse(query, { error: saysKnownMembers });
  if (parsed.success) return parsed.data;
  const errors = errorsOf(parsed.error, 'dataset');
  const [first] = errors;
  throw new ApiError('validation_failed', `The data set is not valid. ${first?.path}: ${first?.message}`, {
    errors,
  });
}

/** The history of all groups together, which a forecast of theirs has to agree with. */
export function totalQuery(query: KpiQuery): KpiQuery {
  return { ...query, group_by: [] };
}

/** What was spent on campaigns in the same range. */
export function spendQuery(
  query: KpiQuery,
  { channels, campaigns }: NonNullable<RegressorsWish['spend']>,
  custom: readonly string[],
): KpiQuery {
  const filters = {
    ...(channels === undefined ? {} : { channel: channels }),
    ...(campaigns === undefined ? {} : { campaign: campaigns }),
  };
  const { start, end, timezone, currency, granularity } = query;
  const asked = checkedQuery(custom, {
    ...{ metrics: ['orders_count'], start, end, granularity, filters },
    ...(timezone === undefined ? {} : { timezone }),
    ...(currency === undefined ? {} : { currency }),
  });
  return { ...asked, metrics: [CAMPAIGN_SPEND.name], own_metrics: [CAMPAIGN_SPEND] };
}
