export type { Restatement, RestatementCause } from './restatements-body.ts';
export { restatementsKind } from './restatements-kind.ts';
export { type RestatementsQuery, restatementsSchema } from './restatements-schema.ts';
