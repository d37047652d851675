export * from './dimensions.ts';
export * from './event-rule.ts';
export * from './filter.ts';
export * from './filter-schema.ts';
export * from './segment-filter.ts';
