// What the API shows of the cubes' state.
export { readCardinality } from '../operators/index.ts';
export * from './events/index.ts';
export * from './events-query/index.ts';
export * from './kpis/index.ts';
export * from './model/index.ts';
export * from './query/index.ts';
export * from './rows/index.ts';
export * from './topology.ts';
