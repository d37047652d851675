export { metricOf } from './metric-kind.ts';
export type { SegmentBody } from './segment-definition.ts';
export { SETTINGS_NAME, settingsSchema, type TenantSettings } from './settings-kind.ts';
export type { TenantDimensions } from './tenant-dimensions.ts';
export { TenantFields } from './tenant-fields.ts';
export { Tenants } from './tenants.ts';
