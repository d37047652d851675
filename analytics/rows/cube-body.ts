import { z } from 'zod';
import type { CubeDefinition } from '../../operators/index.ts';
import { ROW_DIMENSIONS } from './row-schema.ts';

/** The kind of definition that is a cube. */
export const CUBE_KIND = 'cube';
/** Dimensions of a cube that a user defines. */
const MAX_DIMENSIONS = 3;
const BUCKETS_MS = { '1h': 3_600_000, '1d': 86_400_000 } as const;

/** What a user says of a cube, where `custom` dimensions are declared. */
export function cubeBodySchemaOf(custom: readonly string[]) {
  const names: readonly string[] = [...ROW_DIMENSIONS, ...custom];
  return z.strictObject({
    dimensions: z
      .array(z.enum(names as readonly [string, ...string[]]))
      .max(MAX_DIMENSIONS)
      .refine((given) => new Set(given).size === given.length, 'A dimension is repeated')
      .describe('Groups and filters that it answers; none: totals'),
    granularity: z.enum(['1h', '1d']).default('1d').describe('Width of its buckets, in UTC'),
  });
}

export type CubeBody = z.output<ReturnType<typeof cubeBodySchemaOf>>;

/** The cube of a stored body. Throws for a body that is none, or has dimensions that are not declared. */
export function cubeOfBody(
  body: unknown,
  custom: readonly string[],
): Pick<CubeDefinition, 'dimensions' | 'bucket_ms'> {
  const { dimensions, granularity } = cubeBodySchemaOf(custom).parse(body);
  return { dimensions, bucket_ms: BUCKETS_MS[granularity] };
}
