import { z } from 'zod';
import { bucketsOf, forecastSeries, HISTORY_MIN_STEPS } from '../../../analytics/index.ts';
import { asMillraceError } from '../../../engine/index.ts';
import { ApiError, type ProblemCode, type Route, route } from '../../http/index.ts';
import { answerMetaSchema, type Inquiries, spoken } from '../asking/index.ts';
import { BUSINESS } from './face.ts';
import { COMMON_MEMBERS, GROUPS, periodName } from './span.ts';

const METHOD = 'linear_regression_with_seasonality';
const MAX_PERIODS = 60;
/** How far back is learnt from, and how many periods are a season. */
const HISTORIES = {
  day: { days: 400, season: 7 },
  week: { days: 1_100, season: 52 },
  month: { days: 3_660, season: 12 },
  quarter: { days: 3_660, season: 4 },
} as const;
const DAY_MS = 86_400_000;
const LONGEST_DAYS = 93;

/** Revenue that is to be expected. */
export function forecastRoute(inquiries: Inquiries, problems: readonly ProblemCode[]): Route {
  const { currency } = COMMON_MEMBERS;
  return route({
    id: 'businessForecast',
    method: 'GET',
    path: '/forecast',
    tag: 'Business',
    face: BUSINESS,
    summary: 'Revenue that is to be expected, with intervals',
    description:
      'A discounted regression with a season over the complete periods there are. The intervals are those of 95 %; ' +
      '`confidence` is 1 − the sMAPE of the back-test, null where the history is too short for one.',
    permission: 'kpis:read',
    query: z.strictObject({
      periods: z.coerce.number().int().min(1).max(MAX_PERIODS).default(3),
      granularity: z.enum(['day', 'week', 'month', 'quarter']).default('month'),
      currency,
    }),
    answers: {
      200: {
        description: 'The periods after the last complete one',
        schema: z.object({
          ...{ model: z.string(), generatedAt: z.string() },
          forecast: z.array(
            z.object({
              ...{ period: z.string(), predicted: z.int() },
              ...{ confidenceLow: z.int(), confidenceHigh: z.int() },
            }),
          ),
          confidence: z.number().nullable(),
          currency: z.string().nullable(),
          warnings: z.array(z.string()),
          meta: answerMetaSchema,
        }),
      },
    },
    problems: [...new Set([...problems, 'not_enough_data'] as const)],
    handle: async (call) => {
      const { periods, granularity, currency: given } = call.query;
      const zone = inquiries.zoneOf(call.tenant);
      const now_ms = inquiries.now();
      const { days, season } = HISTORIES[granularity];
      const end_ms = zone.startOfDay(zone.localDay(now_ms) + 1);
      const range = { start_ms: zone.startOfDay(zone.localDay(now_ms) - days), end_ms };
      const target = given === undefined ? {} : { currency: given.toUpperCase() };
      const query = {
        ...spoken(range, zone),
        ...target,
        metrics: ['revenue'],
        granularity: GROUPS[granularity],
      };
      const { answer, meta } = await inquiries.answered((asking) => asking.kpis(call, query));
      const { groups, currency: found } = answer;
      const whole = (groups[0]?.buckets ?? []).filter(
        (bucket) => bucket.incomplete !== true && bucket.partial !== true,
      );
      const first = whole.findIndex((bucket) => typeof bucket.revenue === 'number' && bucket.revenue !== 0);
      const history = first < 0 ? [] : whole.slice(first);
      const last = history.at(-1);
      if (last === undefined || history.length < HISTORY_MIN_STEPS) {
        throw new ApiError(
          'not_enough_data',
          `There are ${history.length} complete periods with revenue; a forecast needs ${HISTORY_MIN_STEPS}. ` +
            'Take a finer granularity.',
        );
      }
      const values = history.map((bucket) => (typeof bucket.revenue === 'number' ? bucket.revenue : null));
      const made = forecastOf(values, season, periods);
      const { weekStart, fiscalMonth } = inquiries.defaultsOf(call.tenant) ?? {};
      const start_ms = Date.parse(last.time);
      const ahead = { start_ms, end_ms: start_ms + (periods + 2) * LONGEST_DAYS * DAY_MS };
      const { starts_ms } = bucketsOf({
        ...{ range: ahead, granularity: GROUPS[granularity], zone, weekStart, fiscalMonth },
      });
      return {
        status: 200,
        json: {
          ...{ model: METHOD, generatedAt: zone.format(now_ms) },
          forecast: made.points.map(({ mean, lower_95, upper_95 }, at) => ({
            period: periodName(zone.format(starts_ms[at + 1] ?? start_ms), granularity),
            predicted: Math.round(mean),
            ...{ confidenceLow: Math.round(lower_95), confidenceHigh: Math.round(upper_95) },
          })),
          confidence: made.back_test === null ? null : Math.max(0, 1 - made.back_test.smape / 100),
          currency: found?.toLowerCase() ?? null,
          warnings: made.warnings,
          meta,
        },
      };
    },
  });
}

function forecastOf(values: readonly (number | null)[], season: number, horizon: number) {
  try {
    // A season has to be seen twice.
    const period = values.length >= 2 * season ? season : 1;
    return forecastSeries({ values, period }, { method: METHOD, horizon });
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    if (code === 'too_little_history') throw new ApiError('not_enough_data', message);
    throw thrown;
  }
}
