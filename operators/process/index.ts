export * from './process.ts';
export * from './process-make.ts';
export * from './rate-limit.ts';
