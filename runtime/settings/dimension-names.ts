import { eventSchema, TIME_ALIASES } from '../../analytics/index.ts';

/** Dimensions of an installation beside those of the contract: each is a column of every event. */
export const MAX_CUSTOM_DIMENSIONS = 32;

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const TAKEN: ReadonlySet<string> = new Set([
  ...Object.keys(eventSchema.shape),
  ...TIME_ALIASES,
  ...['type', 'currency', 'specversion', '__proto__'],
]);

/** Whether a dimension may be called so: names that mean something else in an event are none. */
export const isDimensionName = (name: string): boolean => NAME.test(name) && !TAKEN.has(name);
