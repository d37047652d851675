export { type ListedOrder, ORDERS_KIND, type OrdersShared, ordersKind } from './list-kind.ts';
export type { BeginOf } from './list-plan.ts';
export {
  MAX_NAMED_ORDERS,
  type OrdersPlace,
  type OrdersQuery,
  ordersMembersOf,
  ordersSchemaOf,
} from './list-schema.ts';
export { NEW_STATUS, PAYMENT_KINDS, PAYMENT_STATUSES, statusText } from './order-life.ts';
export { orderVersions } from './order-versions.ts';
export { OUTCOMES_KIND, type OutcomesShared, outcomesKind } from './outcomes-kind.ts';
export { type OutcomesQuery, outcomesSchemaOf } from './outcomes-schema.ts';
export { changeProblem, statusChange } from './status-change.ts';
