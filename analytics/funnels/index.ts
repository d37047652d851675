export { type FunnelEntityRow, funnelEntitiesKind } from './entities-kind.ts';
export { stepNames } from './funnel-body.ts';
export { funnelKind } from './funnel-kind.ts';
export {
  adhocFunnelSchemaOf,
  FUNNEL_STATUSES,
  type FunnelCriteria,
  type FunnelEntitiesQuery,
  type FunnelQuery,
  funnelDefinitionSchemaOf,
  funnelMembersOf,
  MAX_STEPS,
} from './funnel-schema.ts';
export { FUNNEL_DEFINITION, keptFunnels } from './kept-funnel.ts';
