import {
  type CustomMetric,
  type CustomMetricBody,
  parsePath,
  readyMetric,
  referencesOf,
  type TenantDefaults,
} from '../../analytics/index.ts';
import { type Definitions, type KindDefinitions, stepsOf } from '../../runtime/index.ts';
import type { ApiPorts } from '../http/index.ts';
import { DefinitionUsers } from './definition-users.ts';
import { metricKind, metricOf } from './metric-kind.ts';
import { type SegmentBody, segmentDefinitionKind } from './segment-definition.ts';
import { defaultsOf, SETTINGS_KIND, SETTINGS_NAME, type TenantSettings } from './settings-kind.ts';
import { TenantDimensions } from './tenant-dimensions.ts';
import { TenantFields } from './tenant-fields.ts';

/** The names of members on the way to what is masked, without `data`: there lies what the schema does not name. */
function memberSteps(field: string): readonly string[] {
  const steps = (parsePath(field) ?? []).filter((step) => typeof step === 'string');
  return steps[0] === 'data' ? steps.slice(1) : steps;
}

/** What tenants have defined for their queries. */
export class Tenants {
  readonly metrics: KindDefinitions<CustomMetricBody>;
  readonly settings: KindDefinitions<TenantSettings>;
  readonly segments: KindDefinitions<SegmentBody>;
  readonly dimensions: TenantDimensions;
  readonly fields: TenantFields;
  /** Kinds that keep a dimension or a segment from being deleted while they name it. */
  readonly users = new DefinitionUsers();

  /** Registers its kinds. */
  constructor(definitions: Definitions, ports: Pick<ApiPorts, 'settings' | 'generations' | 'log'>) {
    this.dimensions = new TenantDimensions(definitions, ports, this.users);
    this.fields = new TenantFields(definitions, this.dimensions);
    this.metrics = definitions.kind(metricKind(ports));
    this.settings = definitions.kind(SETTINGS_KIND);
    this.segments = definitions.kind(segmentDefinitionKind(ports, this.users));
    this.users.add(this.metrics, this.segments);
  }

  /** What a tenant's queries take where they say nothing; undefined where it has set nothing. */
  defaultsOf(tenant: string): TenantDefaults | undefined {
    return defaultsOf(this.settingsOf(tenant));
  }

  settingsOf(tenant: string): TenantSettings | undefined {
    return this.settings.byName(tenant, SETTINGS_NAME)?.body;
  }

  /** What is masked for roles below admin: the paths that the tenant has set, and its dimensions that lie there. */
  maskedOf(tenant: string): readonly string[] | undefined {
    const fields = this.settingsOf(tenant)?.pii_fields;
    if (fields === undefined || fields.length === 0) return fields;
    const masked = fields.map(memberSteps);
    const dimensions = this.dimensions.definitions.list(tenant).filter((definition) => {
      const steps = stepsOf(definition)?.filter((step) => typeof step === 'string');
      return steps !== undefined && masked.some((path) => path.every((step, at) => steps[at] === step));
    });
    return [...fields, ...dimensions.map(({ name }) => name)];
  }

  /** The tenant's own metrics among the names, those that are ready for all, and those that they are made of. */
  metricsOf(tenant: string, names: readonly string[]): readonly CustomMetric[] {
    const found = new Map<string, CustomMetric>();
    const take = (name: string): void => {
      if (found.has(name)) return;
      const definition = this.metrics.byName(tenant, name);
      const metric = definition === undefined ? readyMetric(name) : metricOf(definition);
      if (metric === undefined) return;
      found.set(name, metric);
      for (const part of referencesOf(metric)) take(part);
    };
    for (const name of names) take(name);
    return [...found.values()];
  }
}
