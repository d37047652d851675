export * from './callback-publisher.ts';
export * from './to-callback.ts';
export * from './to-jetstream.ts';
