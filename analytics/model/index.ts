export * from './metric-catalogue.ts';
export * from './model.ts';
