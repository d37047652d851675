import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  changesOf,
  HEAD_MEMBERS,
  horizonDaysOf,
  type KpiQuery,
  type KpiResult,
  WHATIF_MEMBERS,
  WHATIF_VERSION,
  type WhatifChange,
  type WhatifOutcome,
  type WhatifTask,
} from '../../../analytics/index.ts';
import { computeInThread } from '../../../runtime/index.ts';
import {
  type Answered,
  type AnswerParts,
  analyticsOf,
  BODY_PROBLEMS,
  HEAD_PROBLEMS,
  metaOf,
  metaSchema,
  type Planned,
  planQuery,
  planSum,
  planSumSchema,
  readFresh,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import { ApiError, booleanParam, type RawCall, type Route, route, timeText } from '../../http/index.ts';
import { EXAMPLE, EXAMPLES } from './whatif-example.ts';
import {
  HISTORY_MAX_DAYS,
  itemsOf,
  itemsQuery,
  mediaOf,
  mediaQuery,
  rangeOf,
  requireUsable,
  tooLittle,
} from './whatif-history.ts';
import { whatifAnswerSchema } from './whatif-schema.ts';

/** What-ifs that compute at once: each has a thread. */
const RUNNING_MAX = 2;
const COMPUTING_TIMEOUT_MS = 60_000;

const { start, end, timezone, currency, max_staleness, force_fresh, min_position } = HEAD_MEMBERS;
const body = z.strictObject({
  ...WHATIF_MEMBERS,
  start: start
    .optional()
    .describe(`Of the history; default: 182 days before the end, at most ${HISTORY_MAX_DAYS}`),
  end: end.optional().describe('Of the history; default: up to where events are complete'),
  ...{ timezone, currency, max_staleness, force_fresh, min_position },
});
type WhatifBody = z.output<typeof body>;

/** Section 12: what would happen if prices, spend or availability changed. */
export function whatifRoute(parts: AnswerParts): Route {
  let running = 0;
  return route({
    id: 'whatif',
    method: 'POST',
    path: '/whatif',
    tag: 'Models',
    summary: 'What a change of prices, spend or availability would bring',
    description:
      'Reads what prices and spend did in the history, and draws what the change does to revenue, units and margin ' +
      'of the horizon: a mean, an interval that holds the truth in 90 of 100 cases, the assumptions in words, and ' +
      'what the answer hangs on. See docs/what-if.md.',
    permission: 'kpis:read',
    body,
    body_examples: EXAMPLES,
    query: z.strictObject({ dry_run: booleanParam.optional().describe('Answers what it would read') }),
    answers: {
      200: {
        description: 'The change; its plan for `dry_run`',
        schema: z.union([whatifAnswerSchema.extend({ meta: metaSchema }), planSumSchema]),
        example: EXAMPLE,
      },
    },
    problems: [
      ...new Set([
        ...[...BODY_PROBLEMS, ...HEAD_PROBLEMS],
        ...(['currency_required', 'fx_rate_missing', 'too_many_points'] as const),
        ...(['not_enough_data', 'too_busy', 'query_timeout'] as const),
      ]),
    ],
    handle: async (call) => {
      const given = call.body;
      const changes = changesOf(given);
      if ('path' in changes) throw invalid(changes.path, changes.message);
      if (call.query.dry_run === true) {
        return { status: 200, json: planSum(await plansOf(parts, call, given, changes)) };
      }
      if (running >= RUNNING_MAX) {
        throw new ApiError('too_busy', 'Other what-ifs are being computed. Ask again in a moment.', {
          retryAfter_s: 2,
        });
      }
      running++;
      try {
        const read = await readHistory(parts, call, given, changes);
        const task: WhatifTask = {
          ...{ items: read.items, media: read.media, changes, horizon_days: horizonDaysOf(given.horizon) },
          ...{ margin_pct: given.margin_pct, substitution: given.substitution },
          ...{ recapture: given.recapture, seed: given.seed },
        };
        return { status: 200, json: answerOf(parts, call, given, read, await computed(call, task, given)) };
      } finally {
        running--;
      }
    },
  });
}

const invalid = (path: string, message: string): ApiError =>
  new ApiError('validation_failed', `${path}: ${message}.`, { errors: [{ path, message }] });

interface History {
  readonly items: WhatifTask['items'];
  readonly media: WhatifTask['media'];
  readonly answered: readonly Answered<KpiResult>[];
}

interface Reading {
  readonly query: KpiQuery;
  /** Of media; undefined: items. */
  readonly dimension?: string;
}

/** The queries that the history of the changes is read by. */
async function readingsOf(
  parts: AnswerParts,
  call: RawCall,
  given: WhatifBody,
  changes: readonly WhatifChange[],
): Promise<readonly Reading[]> {
  const { custom } = analyticsOf(parts.ports.settings);
  const range = await readFresh(parts, call.tenant, wishOf(given), ({ watermark_ms }) =>
    rangeOf(given, watermark_ms),
  );
  const isMedium = ({ dimension }: WhatifChange): boolean =>
    dimension === 'channel' || dimension === 'campaign';
  const media = new Set(changes.filter(isMedium).map((change) => change.dimension));
  return [
    ...(changes.every(isMedium) ? [] : [{ query: itemsQuery(range, custom) }]),
    ...[...media].map((dimension) => ({ dimension, query: mediaQuery(range, dimension, changes, custom) })),
  ];
}

async function plansOf(...asked: Parameters<typeof readingsOf>): Promise<readonly Planned[]> {
  const [parts, call, given] = asked;
  const { queries } = analyticsOf(parts.ports.settings);
  const readings = await readingsOf(...asked);
  return Promise.all(
    readings.map(({ query }) => planQuery(parts, call, queries.kpis, query, { wish: wishOf(given) })),
  );
}

async function readHistory(...asked: Parameters<typeof readingsOf>): Promise<History> {
  const [parts, call, given] = asked;
  const { queries } = analyticsOf(parts.ports.settings);
  const answered: Answered<KpiResult>[] = [];
  const items: WhatifTask['items'][number][] = [];
  const media: WhatifTask['media'][number][] = [];
  for (const { query, dimension } of await readingsOf(...asked)) {
    const found = await runQuery(parts, call, queries.kpis, query, { wish: wishOf(given) });
    requireUsable(found.answer);
    answered.push(found);
    if (dimension !== undefined) media.push(...mediaOf(found.answer, dimension));
    else {
      if (found.answer.groups.length === 0) throw tooLittle('The range has no orders.');
      items.push(...itemsOf(found.answer));
    }
  }
  return { items, media, answered };
}

async function computed(call: RawCall, task: WhatifTask, given: WhatifBody): Promise<WhatifOutcome> {
  const timeout = AbortSignal.timeout(COMPUTING_TIMEOUT_MS);
  const signal = AbortSignal.any([call.request.signal, timeout]);
  const [outcome] = await computeInThread('whatif', [task], { signal, onProgress: () => undefined }).catch(
    (thrown: unknown) => {
      if (!timeout.aborted) throw thrown;
      throw new ApiError(
        'query_timeout',
        'The what-if took too long. Name fewer items or a shorter history.',
      );
    },
  );
  if (outcome !== undefined && 'result' in outcome) return outcome.result;
  const { code, message } = outcome?.error ?? { code: 'internal', message: '' };
  if (code === 'not_enough_data') throw new ApiError(code, message, { errors: [{ path: 'start', message }] });
  if (code === 'unknown_value')
    throw new ApiError('validation_failed', message, { errors: [{ path: pathOf(given, message), message }] });
  throw new Error(`what-if: ${code} ${message}`);
}

/** The member that names what nothing is known of. */
function pathOf(
  { changes, affected_skus = [], affected_categories = [], channel }: WhatifBody,
  message: string,
): string {
  const isNamed = (value: string | undefined): boolean =>
    value !== undefined && message.includes(`"${value}"`);
  if (changes !== undefined) return `changes.${changes.findIndex(({ value }) => isNamed(value))}.value`;
  const sku = affected_skus.findIndex(isNamed);
  if (sku >= 0) return `affected_skus.${sku}`;
  const category = affected_categories.findIndex(isNamed);
  if (category >= 0) return `affected_categories.${category}`;
  return isNamed(channel) ? 'channel' : 'campaign';
}

const whole = Math.round;
const digits = (value: number, count: number): number => Number(value.toFixed(count));

type Interval = WhatifOutcome['change']['revenue'];

const rounded = ({ mean, lower, upper }: Interval, round: (value: number) => number): Interval => ({
  ...{ mean: round(mean), lower: round(lower), upper: round(upper) },
});
const money = (interval: Interval): Interval => rounded(interval, whole);
const toDigits = (interval: Interval, count: number): Interval =>
  rounded(interval, (value) => digits(value, count));

function answerOf(
  parts: AnswerParts,
  call: RawCall,
  given: WhatifBody,
  { answered, items }: History,
  outcome: WhatifOutcome,
): object {
  const [first] = answered;
  const last = answered.at(-1);
  if (first === undefined || last === undefined) throw new Error('a what-if has a history');
  const { baseline, change } = outcome;
  const { resolved_range, timezone: zone, granularity, truncated } = first.answer;
  const leftOut = truncated && items.length > 0 ? first.answer.groups_total - first.answer.groups.length : 0;
  return {
    scenario: given.scenario ?? 'changes',
    horizon: given.horizon,
    ...{ currency: first.answer.currency ?? given.currency ?? null, confidence: 0.9 },
    baseline: {
      ...{ revenue: whole(baseline.revenue), units: digits(baseline.units, 1) },
      margin: baseline.margin === null ? null : whole(baseline.margin),
    },
    change: {
      ...{ revenue: money(change.revenue), revenue_pct: toDigits(change.revenue_pct, 2) },
      ...{ units: toDigits(change.units, 1), margin: change.margin === null ? null : money(change.margin) },
    },
    probability_of_more_revenue: digits(outcome.probability_of_more_revenue, 3),
    elasticities: outcome.elasticities.map(({ price, elasticity, ...one }) => ({
      ...{ ...one, price: whole(price), elasticity: toDigits(elasticity, 2) },
    })),
    spend_responses: outcome.spend_responses.map(({ daily_spend, elasticity, ...one }) => ({
      ...{ ...one, daily_spend: whole(daily_spend), elasticity: toDigits(elasticity, 3) },
    })),
    sensitivity: outcome.sensitivity.map(({ assumption, revenue, share }) => ({
      ...{ assumption, revenue: money(revenue), share: digits(share, 3) },
    })),
    assumptions: outcome.assumptions,
    warnings: [
      ...outcome.warnings,
      ...(leftOut > 0 ? [`${leftOut} items that sold least are not part of the history.`] : []),
    ],
    ...{ seed: given.seed, draws: outcome.draws, code_version: WHATIF_VERSION },
    definition_hash: hashOf(given),
    provenance: answered.map(({ answer }) => {
      const { events, events_outside, position } = answer.explain ?? {};
      return { ...{ events, position }, ...(events_outside === undefined ? {} : { events_outside }) };
    }),
    calculated_at: timeText(parts.ports.clock.now()),
    meta: metaOf(last.state, call.tenant, {
      ...{ resolved_range, timezone: zone, granularity, source: first.answer.source },
      warnings: [...new Set(answered.flatMap(({ answer }) => answer.warnings))],
    }),
  };
}

/** Of what was asked, not how fresh it was to be. */
function hashOf({ max_staleness: _, force_fresh: __, min_position: ___, ...asked }: WhatifBody): string {
  const sorted = Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}
