export { FRAUD_KIND, type FraudShared, fraudKind } from './fraud-kind.ts';
export { type FraudQuery, fraudSchemaOf, MAX_CLUSTER_EVENTS } from './fraud-schema.ts';
export { CLUSTER_TYPES, type IpCluster, IpClusters } from './ip-clusters.ts';
export { explainOrders, type OrderShared, orderKind } from './order-kind.ts';
export {
  columnsOf,
  type HashWords,
  marked,
  type OrderRow,
  ofType,
  planOrders,
  rowFilters,
  visitOrders,
} from './order-scan.ts';
export { REFUNDS_KIND, type RefundsShared, refundsKind } from './refunds-kind.ts';
export { followUpMember, followUpMs, type RefundsQuery, refundsSchemaOf } from './refunds-schema.ts';
export { RETURNS_KIND, type ReturnsShared, returnsKind } from './returns-kind.ts';
export { type ReturnsQuery, returnsSchemaOf } from './returns-schema.ts';
export type { ItemFilter } from './row-groups.ts';
export { RowGroups } from './row-groups.ts';
export { ratio, Tallies, type Tally } from './tallies.ts';
