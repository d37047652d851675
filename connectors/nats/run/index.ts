export * from './jetstream-doc.ts';
export * from './run.ts';
