import { z } from 'zod';
import { PRESETS, type SignatureScheme } from '../../analytics/index.ts';
import type { ConnectorBody } from './connector-kind.ts';

/** The type of connectors that are sent to, and do not pull. */
export const WEBHOOK_TYPE = 'webhook';

const SECRET_MAX_CHARS = 8_192;
const TOLERANCE_MAX_MS = 86_400_000;

const header = z
  .string()
  .regex(/^[a-z0-9-]{1,64}$/, 'is the name of a header in lower case')
  .describe('Name in lower case');

const signatureSchema = z.discriminatedUnion('scheme', [
  z.strictObject({
    scheme: z.literal('hmac').describe('HMAC of the body'),
    header,
    algorithm: z.enum(['sha256', 'sha1']),
    encoding: z.enum(['base64', 'hex']),
  }),
  z.strictObject({
    scheme: z.literal('timestamped').describe('`t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`'),
    header,
    tolerance_ms: z.int().min(1_000).max(TOLERANCE_MAX_MS).default(300_000),
  }),
  z.strictObject({ scheme: z.literal('token').describe('The secret itself'), header }),
]);

export const webhookConfigSchema = z.strictObject({
  secret: z
    .string()
    .min(8)
    .max(SECRET_MAX_CHARS)
    .optional()
    .describe('What the source signs with. Without it every request needs a key of the role `ingest`'),
  signature: signatureSchema.optional().describe('How; by default as the preset says'),
});

/** How requests to a connector are signed; undefined where only keys are taken. */
export function signatureOf({ config, mapping }: ConnectorBody): SignatureScheme | undefined {
  const { signature } = webhookConfigSchema.parse(config);
  if (signature !== undefined) return signature;
  if (mapping === undefined || !('preset' in mapping)) return undefined;
  return PRESETS.get(mapping.preset)?.signature;
}
