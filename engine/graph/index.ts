export * from './define-operator.ts';
export * from './merge.ts';
export * from './operator.ts';
export { type NameOf, type OriginInput, OutputIds } from './origins.ts';
export * from './topology.ts';
export * from './topology-diff.ts';
