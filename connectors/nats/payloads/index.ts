export { StreamPayloads, type StreamPayloadsOptions } from './stream-payloads.ts';
