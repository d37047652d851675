export { PAYMENT_KINDS, PAYMENT_STATUSES } from './order-life.ts';
export { OUTCOMES_KIND, type OutcomesShared, outcomesKind } from './outcomes-kind.ts';
export { type OutcomesQuery, outcomesSchemaOf } from './outcomes-schema.ts';
