export { type Body, filtersOf, filtersText, memberOf, patchOf, withMember } from './body.ts';
export { type Metric, metricOptions, useDimensions, useMetrics } from './catalogue.ts';
export { DefinitionForm, type FormField } from './definition-form.tsx';
export { type Definition, type DefinitionAct, Definitions } from './definitions.tsx';
export {
  isOther,
  type KpiAnswer,
  type KpiBucket,
  type KpiGroup,
  keyText,
  metricIn,
  openSince,
  type SummaryAnswer,
  type Summed,
} from './kpis.ts';
export { type OperatorState, operatorSheet, type TopologyNode } from './operators.ts';
export { Topology } from './topology.tsx';
