export * from './known-stream.ts';
export * from './publisher.ts';
export * from './told-publisher.ts';
