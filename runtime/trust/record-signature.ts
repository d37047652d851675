import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs plain JSON: whoever has no secret cannot make a value that `openSigned` takes. */
export type SigningSecret = Uint8Array;

export type Opened =
  | { readonly kind: 'signed'; readonly record: Readonly<Record<string, unknown>> }
  /** Nobody signed it. */
  | { readonly kind: 'unsigned'; readonly value: unknown }
  /** Signed with another secret, for another key, or changed since. */
  | { readonly kind: 'forged' };

/** The record with its signature, which holds for this key of a bucket only. */
export function signed<T extends object>(
  secret: SigningSecret,
  key: string,
  record: T,
): T & { readonly signature: string } {
  return { ...record, signature: signatureOf(secret, key, record).toString('hex') };
}

/** The record of a stored value, if it was signed for this key. */
export function openSigned(secret: SigningSecret, key: string, value: unknown): Opened {
  if (typeof value !== 'object' || value === null || !('signature' in value))
    return { kind: 'unsigned', value };
  const { signature, ...record } = value;
  const wanted = signatureOf(secret, key, record);
  const given = typeof signature === 'string' ? Buffer.from(signature, 'hex') : Buffer.alloc(0);
  const holds = given.length === wanted.length && timingSafeEqual(given, wanted);
  return holds ? { kind: 'signed', record } : { kind: 'forged' };
}

/** HMAC-SHA-256 of the key and the record's canonical form. */
function signatureOf(secret: SigningSecret, key: string, record: object): Buffer {
  return createHmac('sha256', secret)
    .update(`${key}\n${canonicalJson(record)}`)
    .digest();
}

/** JSON with the members in the order of their names and without spaces: one text for one value. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
