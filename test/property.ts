import { configureGlobal } from 'fast-check';

/**
 * fast-check with a seed from outside. Without `PROPERTY_SEED` it is fixed, so that a change is judged by the same
 * runs on every machine; `npm run soak` searches with one seed after the other.
 */
export * as fc from './properties.ts';

const DEFAULT_SEED = 20_260_301;

/** The seed of this process's properties: 32 bits. */
export const propertySeed = Number(process.env.PROPERTY_SEED ?? DEFAULT_SEED);

configureGlobal({ seed: propertySeed });
