export * from './key-routes.ts';
