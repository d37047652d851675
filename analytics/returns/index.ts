export { REFUNDS_KIND, type RefundsShared, refundsKind } from './refunds-kind.ts';
export { type RefundsQuery, refundsSchemaOf } from './refunds-schema.ts';
export { RETURNS_KIND, type ReturnsShared, returnsKind } from './returns-kind.ts';
export { type ReturnsQuery, returnsSchemaOf } from './returns-schema.ts';
