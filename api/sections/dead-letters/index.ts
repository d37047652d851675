export { LetterReader } from './letter-reader.ts';
export { letterRoutes } from './letter-routes.ts';
export { resendKind } from './resend-job.ts';
