export { scoreChurn, trainChurn } from './churn-model.ts';
export { type CustomerModelShared, customerModelKind } from './customer-model-kind.ts';
export {
  CUSTOMER_MODELS,
  type CustomerModelQuery,
  churnFitSchema,
  customerModelSchemaOf,
  MODEL_HORIZON_MAX_DAYS,
  valueFitSchema,
} from './customer-model-schema.ts';
export { LTV_KIND, type LtvShared, ltvKind } from './ltv-kind.ts';
export { type LtvQuery, ltvMembersOf } from './ltv-schema.ts';
export { aucOf, reliabilityOf } from './probabilities.ts';
export { broughtBetween, customerAt, type PurchaseDays } from './purchase-days.ts';
export { RFM_KIND, type RfmShared, rfmKind } from './rfm-kind.ts';
export {
  MAX_CUSTOMERS_A_PAGE,
  type RfmQuery,
  rfmMembersOf,
  rfmSchemaOf,
  THRESHOLDS_CHECK,
} from './rfm-schema.ts';
