import { z } from 'zod';
import {
  type CustomMetric,
  type CustomMetricBody,
  customMetricSchemaOf,
  METRIC_NAME,
  METRIC_NAMES,
  OwnMetrics,
  READY_METRICS,
  referencesOf,
} from '../../analytics/index.ts';
import {
  type Candidate,
  type Definition,
  DefinitionError,
  type DefinitionKind,
  invalidMember,
  type KindDefinitions,
} from '../../runtime/index.ts';
import { type ApiPorts, byDimensions } from '../http/index.ts';

/** A tenant's own metrics. */
export function metricKind(ports: Pick<ApiPorts, 'settings'>): DefinitionKind<CustomMetricBody> {
  const schema = byDimensions(ports, customMetricSchemaOf);
  return {
    kind: 'metric',
    get schema() {
      return schema();
    },
    name: z
      .string()
      .regex(METRIC_NAME, 'has lower case letters, digits and _, a letter first, and at most 64'),
    check: checkMetric,
    checkDelete: (metric, others) => requireUnused(metric, others),
  };
}

export const metricOf = ({
  name,
  body,
}: Pick<Definition<CustomMetricBody>, 'name' | 'body'>): CustomMetric => ({
  ...body,
  name,
});

function checkMetric(
  candidate: Candidate<CustomMetricBody>,
  others: KindDefinitions<CustomMetricBody>,
): void {
  const { tenant, id, name, body } = candidate;
  if (METRIC_NAMES.includes(name)) {
    throw new DefinitionError(
      'name_taken',
      `"${name}" is a metric that every tenant has. Choose another name.`,
      [{ path: 'name', message: 'is that of a metric of every tenant' }],
    );
  }
  const former = id === undefined ? undefined : others.get(tenant, id);
  const rest = others.list(tenant).filter((other) => other.id !== id);
  const own = new OwnMetrics([...READY_METRICS, ...rest.map(metricOf), metricOf(candidate)]);
  if (former !== undefined && (former.name !== name || !own.canDivide(name))) requireUnused(former, others);
  for (const member of ['numerator', 'denominator'] as const) {
    const part = body.type === 'ratio' ? body[member] : undefined;
    if (typeof part !== 'string' || own.canDivide(part)) continue;
    throw invalidMember(member, `"${part}" is no metric that is a sum, a count or a number of different ids`);
  }
}

/** Throws `definition_in_use` when a ratio is made of the metric. */
function requireUnused(
  metric: Definition<CustomMetricBody>,
  others: KindDefinitions<CustomMetricBody>,
): void {
  const user = others
    .list(metric.tenant)
    .find(({ id, body }) => id !== metric.id && referencesOf(body).includes(metric.name));
  if (user === undefined) return;
  throw new DefinitionError(
    'definition_in_use',
    `The metric "${user.name}" is made of "${metric.name}". Change or delete that one first.`,
  );
}
