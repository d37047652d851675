export { LTV_KIND, type LtvShared, ltvKind } from './ltv-kind.ts';
export { type LtvQuery, ltvMembersOf } from './ltv-schema.ts';
export { RFM_KIND, type RfmShared, rfmKind } from './rfm-kind.ts';
export {
  MAX_CUSTOMERS_A_PAGE,
  type RfmQuery,
  rfmMembersOf,
  rfmSchemaOf,
  THRESHOLDS_CHECK,
} from './rfm-schema.ts';
