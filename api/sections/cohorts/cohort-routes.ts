import { z } from 'zod';
import {
  adhocRetentionSchemaOf,
  type CohortCriteria,
  criteriaOf,
  type RetentionQuery,
  retentionMembersOf,
} from '../../../analytics/index.ts';
import type { DefinitionKind, KindDefinitions } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import {
  ApiError,
  type ApiPorts,
  byDimensions,
  type Cursors,
  type ProblemCode,
  type Route,
} from '../../http/index.ts';

export interface CohortDefinition {
  readonly criteria: CohortCriteria;
}

/** Stored cohorts. */
export function cohortKind(ports: Pick<ApiPorts, 'settings'>): DefinitionKind<CohortDefinition> {
  const schema = byDimensions(ports, (custom) => z.strictObject({ criteria: criteriaOf(custom) }));
  return {
    kind: 'cohort',
    get schema() {
      return schema();
    },
  };
}

const rate = z.number().nullable().describe('Percent, one decimal; null where nothing is known yet');
const answerSchema = z.object({
  cohort_id: z.string().optional(),
  name: z.string().optional(),
  bucket: z.string().describe('Of cohorts'),
  period: z.string(),
  periods: z.int(),
  alignment: z.string(),
  retention: z.string(),
  mode: z.string(),
  cohorts: z.array(
    z.object({
      cohort: z.string().nullable().describe('Start of the bucket'),
      key: z.record(z.string(), z.string().nullable()).optional().describe('Values of the start event'),
      size: z.int(),
      periods: z.array(
        z.object({
          period: z.int(),
          returned: z.int().nullable().describe('null: the period has not begun for any member'),
          retention: rate,
          incomplete: z.literal(true).optional().describe('Not over for every member'),
        }),
      ),
    }),
  ),
  size: z.int().describe('Members of all cohorts'),
  means: z
    .array(
      z.object({
        period: z.int(),
        cohorts: z.int().describe('Whose period is over: the means are of these'),
        weighted: rate.describe('All who came back ÷ all members, percent'),
        simple: rate.describe("Mean of the cohorts' rates, percent"),
      }),
    )
    .describe('By period'),
});

const RANGE = { start: '2025-01-01T00:00:00Z', end: '2025-06-30T23:59:59Z' };
const CRITERIA = { type: 'acquisition', bucket: 'month' };
const PROBLEMS = ['too_many_points', 'too_many_groups'] as const satisfies readonly ProblemCode[];

const RULES =
  'A cohort is who had their start event in a bucket of [start, end). `first_time`: the first such event ever. ' +
  'Period 0 is that of the start event; what comes before that event is no return. A cell is `incomplete` while its ' +
  'period is not over for every member at the watermark; means are of complete cells.';

/** Section 5: cohorts and retention. */
export function cohortRoutes(
  parts: AnswerParts,
  cohorts: KindDefinitions<CohortDefinition>,
  cursors: Cursors,
): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const route = {
    permission: 'kpis:read',
    kind: queries.retention,
    answer: answerSchema,
    problems: PROBLEMS,
  } as const;
  return [
    queryRoute(parts, {
      ...{ ...route, id: 'queryRetention', path: '/cohorts/adhoc-retention', tag: 'Cohorts' },
      summary: 'Retention of cohorts that are not stored',
      description: RULES,
      body: adhocRetentionSchemaOf(custom),
      body_examples: {
        months: { summary: 'By month of the first order', value: { ...RANGE, criteria: CRITERIA } },
      },
    }),
    queryRoute(parts, {
      ...{ ...route, id: 'queryCohortRetention', path: '/cohorts/{id}/retention', tag: 'Cohorts' },
      summary: 'Retention of a stored cohort',
      description: RULES,
      params: z.object({ id: z.string().max(128) }),
      body: z.strictObject(retentionMembersOf(custom)),
      body_examples: { months: { summary: 'Half a year', value: { ...RANGE, periods: 6 } } },
      problems: [...PROBLEMS, 'not_found'],
      queryOf: ({ tenant, params }, body): RetentionQuery => {
        const found = cohorts.get(tenant, params.id);
        if (found === undefined) throw new ApiError('not_found', 'There is no cohort with this id.');
        const { id, name, revision } = found;
        return { ...body, criteria: found.body.criteria, cohort: { id, name, revision } };
      },
    }),
    ...definitionRoutes(cohorts, cursors, {
      ...{ path: '/cohorts', noun: 'cohort', tag: 'Cohorts', aliases: ['define'] },
      description: 'Who belongs to which cohort, by the first order, its campaign, or any event.',
      examples: {
        months: { summary: 'By month of the first order', value: { name: 'monthly', criteria: CRITERIA } },
      },
    }),
  ];
}
