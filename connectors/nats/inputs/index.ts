export * from './jetstream.ts';
export * from './jetstream-doc.ts';
