import { z } from 'zod';
import {
  MARK_KIND,
  type MarkBody,
  markSchema,
  OwnMetrics,
  RULE_KIND,
  type RuleBody,
  ruleSchemaOf,
  watchedRule,
} from '../../../analytics/index.ts';
import { MillraceError } from '../../../engine/index.ts';
import { type Candidate, type DefinitionKind, invalidMember } from '../../../runtime/index.ts';
import { type ApiPorts, byDimensions } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';

/** Anomalies of a tenant that users have said something of. */
const MAX_MARKS = 10_000;

/** Rules that watch metrics. */
export function ruleKind(
  ports: Pick<ApiPorts, 'settings'>,
  tenants: Pick<Tenants, 'metricsOf'>,
): DefinitionKind<RuleBody> {
  const schema = byDimensions(ports, ruleSchemaOf);
  return {
    kind: RULE_KIND,
    get schema() {
      return schema();
    },
    check: ({ tenant, id, body }: Candidate<RuleBody>) =>
      void ruleOf(tenants, ports.settings.customDimensions, tenant, id ?? 'new', body, []),
  };
}

/** What users say of anomalies; the name is the anomaly's id. */
export const MARKS: DefinitionKind<MarkBody> = { kind: MARK_KIND, schema: markSchema, limit: MAX_MARKS };

const MEMBER_OF: Readonly<Record<string, string>> = {
  unknown_metric: 'metric',
  metric_not_summed: 'metric',
  filter_not_possible: 'filters',
  unknown_timezone: 'timezone',
  bad_sensitivity: 'sensitivity',
  unknown_method: 'method',
  bad_threshold: 'threshold',
};

/** The rule of a body. Throws `validation_failed` (422) for one that cannot be. */
export function ruleOf(
  tenants: Pick<Tenants, 'metricsOf'>,
  custom: readonly string[],
  tenant: string,
  id: string,
  body: RuleBody,
  marks: readonly MarkBody[],
  path?: string,
) {
  const own = new OwnMetrics(tenants.metricsOf(tenant, [body.metric]));
  try {
    return watchedRule(withSince(body, 0), { id, scope: tenant, own, custom, marks });
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const member = MEMBER_OF[error.code];
    if (member === undefined) throw error;
    throw invalidMember(path === undefined ? member : `${path}.${member}`, error.message);
  }
}

/** A body that says from when on it alerts. */
export const withSince = (body: RuleBody, now_ms: number): RuleBody => ({
  ...body,
  since: body.since ?? new Date(now_ms).toISOString(),
});

export const idParams = z.object({ id: z.string().max(128) });
