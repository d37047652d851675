import type { Preset } from './preset.ts';
import { CLOUDEVENTS, SEGMENT, STRIPE } from './preset-others.ts';
import { SHOPIFY } from './preset-shopify.ts';
import { WOOCOMMERCE } from './preset-woocommerce.ts';

export const PRESETS: ReadonlyMap<string, Preset> = new Map(
  [SHOPIFY, WOOCOMMERCE, STRIPE, CLOUDEVENTS, SEGMENT].map((preset) => [preset.name, preset]),
);
