export * from './dimensions.ts';
export * from './filter.ts';
export * from './filter-schema.ts';
