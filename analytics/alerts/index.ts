export * from './alert-fold.ts';
export * from './alert-notice.ts';
export * from './alert-schema.ts';
