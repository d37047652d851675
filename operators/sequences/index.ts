export * from './funnel.ts';
export * from './funnel-definition.ts';
export * from './funnel-evaluate.ts';
export * from './pattern.ts';
export * from './pattern-builder.ts';
export type { SkipStrategy, SkipTo } from './pattern-skip.ts';
export * from './sessionize.ts';
export * from './sessions.ts';
