export * from './define-operator.ts';
export * from './merge.ts';
export * from './operator.ts';
export { type NameOf, type OriginInput, OutputIds } from './origins.ts';
export type { OutputChanges, RetractionRule } from './retractions.ts';
export type { SentSubject, SentTo } from './sent-subjects.ts';
export type { SourceSpec } from './source-spec.ts';
export * from './topology.ts';
export * from './topology-diff.ts';
