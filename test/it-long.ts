import { it } from 'vitest';
import { isLong } from './long.ts';

/** A further variant of what another test shows: for `npm run test:long` alone. docs/testing.md lists them. */
export const itLong: ReturnType<typeof it.runIf> = it.runIf(isLong);
