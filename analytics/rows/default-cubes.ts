import type { CubeDefinition } from '../../operators/index.ts';
import type { RowDimension } from './row-schema.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The name of a cube is its dimensions in order, joined by "+" (`total` without any), and its bucket. */
export function cubeOf(dimensions: readonly RowDimension[], bucket: '1h' | '1d'): CubeDefinition {
  const name = dimensions.length === 0 ? 'total' : dimensions.join('+');
  return { name: `${name}@${bucket}`, dimensions, bucket_ms: bucket === '1h' ? HOUR_MS : DAY_MS };
}

/** Kept for every tenant. `npm run bench -- cubes` measures what they cost. */
export const DEFAULT_ROW_CUBES: readonly CubeDefinition[] = [
  cubeOf([], '1h'),
  cubeOf([], '1d'),
  cubeOf(['channel'], '1d'),
  cubeOf(['country'], '1d'),
  cubeOf(['payment_method'], '1d'),
  cubeOf(['customer_segment'], '1d'),
  cubeOf(['channel', 'country'], '1d'),
];
