export type { ArchiveSettings } from './archive-settings.ts';
export { isDimensionName, MAX_CUSTOM_DIMENSIONS } from './dimension-names.ts';
export * from './duration.ts';
export type { JwtSettings } from './jwt-settings.ts';
export type { NatsSettings } from './nats-settings.ts';
export * from './settings.ts';
