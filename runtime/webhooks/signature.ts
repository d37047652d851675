import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A secret in the form of Standard Webhooks: `whsec_` and base64. */
export const newSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64');

/** What a secret may be read as: what base64 stands for, where it is base64, and else, or also, its own characters. */
function keysOf(secret: string): readonly Buffer[] {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const decoded = BASE64.test(text) ? [Buffer.from(text, 'base64')] : [];
  return secret.startsWith(PREFIX) && decoded.length > 0 ? decoded : [...decoded, Buffer.from(secret)];
}

const hmac = (key: Uint8Array | string, text: string): ReturnType<typeof createHmac> =>
  createHmac('sha256', key).update(text);

/**
 * The headers that say who sends a body: `X-Webhook-Signature`, the HMAC-SHA256 of the body in hex, its key the secret
 * as it was given; and those of Standard Webhooks (github.com/standard-webhooks/standard-webhooks), which has one
 * signature for each way to read the secret.
 */
export function signatureHeaders(
  secret: string,
  { id, time_ms, body }: { readonly id: string; readonly time_ms: number; readonly body: string },
): Readonly<Record<string, string>> {
  const timestamp = Math.floor(time_ms / 1_000);
  const signed = `${id}.${timestamp}.${body}`;
  return {
    'X-Webhook-Signature': hmac(secret, body).digest('hex'),
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': keysOf(secret)
      .map((key) => `v1,${hmac(key, signed).digest('base64')}`)
      .join(' '),
  };
}
