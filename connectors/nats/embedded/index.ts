export { type ResolvedServer, type ResolveOptions, resolveNatsServer } from './binary.ts';
export { type FailedStep, NatsServerError, type NatsServerErrorCode } from './embedded-errors.ts';
export { type NatsServerHandle, type StartOptions, startNatsServer } from './server.ts';
export * from './start.ts';
export { credentialsOf, type EmbeddedCredentials, type EmbeddedSubjects, publisherInbox } from './users.ts';
export type { ProcessExit } from './watchdog.ts';
