export type { App, RunningServer } from './app/index.ts';
export {
  ApiError,
  type ApiPorts,
  type EventMessage,
  type EventPublisher,
  FORMER_KEYS_BUCKET,
  IDEMPOTENCY_TTL_MS,
  type PipelineStatus,
  type StateReader,
  type StreamHead,
} from './http/index.ts';
export { subjectToken } from './sections/ingest/index.ts';
export type { Api } from './service.ts';

/** What builds and serves the API. Loaded when it is asked for: who only reads the settings starts faster. */
export const loadService = () => import('./service.ts');
