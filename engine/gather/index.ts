export * from './merge-parts.ts';
export * from './part.ts';
