export * from './as-of.ts';
export * from './family.ts';
export * from './head-schema.ts';
export { behindRetention, keptFrom, requireKept } from './kept.ts';
export { logSource } from './log-source.ts';
export * from './prepare-head.ts';
export { type EventsBehind, provenanceOf } from './provenance.ts';
export * from './query-id.ts';
export * from './segment-sources.ts';
