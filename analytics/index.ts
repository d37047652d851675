// What the API shows of the cubes' state.
export { cubeViews, readCardinality, readCubeInfo } from '../operators/index.ts';
export * from './attribution/index.ts';
export * from './cohorts/index.ts';
export * from './customers/index.ts';
export * from './event-finder.ts';
export * from './events/index.ts';
export * from './events-query/index.ts';
export * from './filters/index.ts';
export * from './funnels/index.ts';
export { KEPT_LEFT_OUT, keptProgress } from './kept-events/index.ts';
export * from './kpis/index.ts';
export * from './query/index.ts';
export * from './query-head/index.ts';
export * from './query-kinds.ts';
export * from './returns/index.ts';
export * from './rows/index.ts';
export * from './segments/index.ts';
export * from './topology.ts';
