export * from './callback-publisher.ts';
export { type SubjectTemplate, subjectOf } from './subject-of.ts';
export * from './to-callback.ts';
export * from './to-jetstream.ts';
