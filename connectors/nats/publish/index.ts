export * from './publisher.ts';
export * from './told-publisher.ts';
