import { z } from 'zod';
import type { Settings } from '../settings/index.ts';

/** Settings that belong to a generation of the state: another value needs a state built with it. */
const GENERATION_SETTINGS = [
  'customDimensions',
  'dimensionPaths',
  'cubes',
  'cubeCellsPerDay',
  'allowedOutOfOrderness_ms',
] as const satisfies readonly (keyof Settings)[];

/** What a generation has otherwise than the settings say. Plain data. */
export type OrderOptions = Partial<Pick<Settings, (typeof GENERATION_SETTINGS)[number]>>;

/** Options as they are stored beside a generation. */
export const orderOptionsSchema: z.ZodType<OrderOptions> = z.strictObject({
  customDimensions: z.array(z.string()).exactOptional(),
  dimensionPaths: z
    .record(z.string(), z.record(z.string(), z.array(z.union([z.string(), z.int()]))))
    .exactOptional(),
  cubes: z
    .array(z.object({ name: z.string(), dimensions: z.array(z.string()), bucket_ms: z.int() }))
    .exactOptional(),
  cubeCellsPerDay: z.int().exactOptional(),
  allowedOutOfOrderness_ms: z.int().exactOptional(),
});

/** The settings, as a generation with these options has them. */
export function withOptions(settings: Settings, options: OrderOptions): Settings {
  return { ...settings, ...options };
}
