export * from './merge.ts';
export * from './operator.ts';
export * from './topology.ts';
export * from './topology-diff.ts';
