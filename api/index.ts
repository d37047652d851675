export type { App } from './app.ts';
export { subjectToken } from './event-check.ts';
export * from './ports.ts';
export { ApiError } from './problem.ts';
export type { RunningServer } from './serve.ts';
export type { Api } from './service.ts';
export { readSettings, type Settings, settingsSchema } from './settings.ts';

/** What builds and serves the API. Loaded when it is asked for: who only reads the settings starts faster. */
export const loadService = () => import('./service.ts');
