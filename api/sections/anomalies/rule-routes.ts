import { z } from 'zod';
import type { MarkBody, RuleBody } from '../../../analytics/index.ts';
import { RULE_KIND } from '../../../analytics/index.ts';
import type { KindDefinitions } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { type DefinitionRoutesSpec, definitionRoutes } from '../../definitions/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import type { JobMaking } from '../jobs/index.ts';
import { ruleStates } from './rule-state.ts';

/** What the routes of anomalies share. */
export interface AnomalyParts {
  readonly answers: AnswerParts;
  readonly tenants: Pick<Tenants, 'metricsOf' | 'settingsOf'>;
  readonly rules: KindDefinitions<RuleBody>;
  readonly marks: KindDefinitions<MarkBody>;
  readonly cursors: Cursors;
  readonly making: JobMaking;
}

const DESCRIPTION = `A rule watches a metric, for each combination of the values of \`group_by\`: at each close of a
window by the watermark its value is judged by what came before. It learns from history at once, and alerts for windows
that end after \`since\`. Late events judge a window anew: its anomaly is revised or taken back, never told twice. Money
is watched by currency.`;

export const RULE_EXAMPLE = {
  name: 'orders by country',
  metric: 'orders_count',
  group_by: ['country'],
  sensitivity: 0.995,
  window: '1h',
  method: 'zscore',
};

export function ruleRoutesSpec({ answers, tenants, rules }: AnomalyParts): DefinitionRoutesSpec {
  const { ports } = answers;
  const nameOf = (tenant: string, given: Readonly<Record<string, unknown>>): string => {
    const by =
      Array.isArray(given.group_by) && given.group_by.length > 0 ? ` by ${given.group_by.join(', ')}` : '';
    const name = `${String(given.metric ?? 'metric')}${by}, ${String(given.window ?? '1h')}`.slice(0, 100);
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? name : `${name} (${number})`;
      if (rules.byName(tenant, candidate) === undefined) return candidate;
    }
  };
  return {
    path: '/anomalies/rules',
    also: '/anomalies/register',
    noun: 'anomaly rule',
    collection: 'rules',
    tag: 'Anomalies',
    description: DESCRIPTION,
    complete: (tenant, given) => ({
      ...given,
      name: given.name ?? nameOf(tenant, given),
      since: given.since ?? new Date(ports.clock.now()).toISOString(),
      timezone: given.timezone ?? tenants.settingsOf(tenant)?.timezone ?? 'UTC',
    }),
    examples: {
      orders: { summary: 'Orders of each country by the hour', value: RULE_EXAMPLE },
      revenue: {
        summary: 'Daily revenue, drops of a fifth or more',
        value: {
          ...{
            name: 'daily revenue',
            metric: 'revenue',
            window: '1d',
            direction: 'low',
            min_change_percent: 20,
          },
          ...{ method: 'zscore', stakes: { medium: 100_000, high: 1_000_000 } },
        },
      },
    },
    shown: ruleStates(ports),
  };
}

export const ruleRoutes = (parts: AnomalyParts): readonly Route[] =>
  definitionRoutes(parts.rules, parts.cursors, ruleRoutesSpec(parts));

/** Whether an id is a rule's and not an anomaly's. */
export const isRuleId = (id: string): boolean => id.startsWith(`${RULE_KIND}_`);

export const looseAnswer = z.looseObject({ id: z.string() });
