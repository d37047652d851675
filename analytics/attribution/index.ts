export { attributionKind } from './attribution-kind.ts';
export {
  ATTRIBUTION_METHODS,
  type AttributionMethod,
  type AttributionQuery,
  attributionMembersOf,
} from './attribution-schema.ts';
