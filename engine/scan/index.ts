export * from './entity-events.ts';
export type { EntitySlice, EntityVisitor, SliceEntities } from './entity-slice.ts';
export * from './furthest-attempts.ts';
export * from './periods-active.ts';
export * from './row-labels.ts';
export * from './wide-index.ts';
