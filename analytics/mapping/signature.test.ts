import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PRESETS } from './presets.ts';
import { checkSignature } from './signature.ts';

const NOW_MS = 1_772_532_000_000;
const BODY = Buffer.from('{"id":1,"name":"Größe"}');
const OTHER = Buffer.from('{"id":2,"name":"Größe"}');
const SECRET = 'whsec_abc';

function check(name: string, headers: Record<string, string>, body = BODY, secret = SECRET, now_ms = NOW_MS) {
  const preset = PRESETS.get(name);
  if (preset === undefined) throw new Error(name);
  return checkSignature(preset.signature, secret, body, headers, now_ms);
}

const hmac = (algorithm: string, text: Uint8Array | string = BODY) =>
  createHmac(algorithm, SECRET).update(text);

describe('signatures', () => {
  it.each([
    ['shopify', { 'x-shopify-hmac-sha256': hmac('sha256').digest('base64') }],
    ['woocommerce', { 'x-wc-webhook-signature': hmac('sha256').digest('base64') }],
    ['segment', { 'x-signature': hmac('sha1').digest('hex') }],
  ])('of %s are of the bytes, by the secret', (name, headers) => {
    expect(check(name, headers)).toBe('good');
    expect(check(name, headers, OTHER)).toBe('wrong');
    expect(check(name, headers, BODY, 'another')).toBe('wrong');
    expect(check(name, {})).toBe('missing');
  });

  it('are never good by an empty secret', () => {
    const forged = createHmac('sha256', '').update(BODY).digest('base64');
    expect(check('shopify', { 'x-shopify-hmac-sha256': forged }, BODY, '')).toBe('missing');
  });

  it('of stripe hold with a second secret rolled in, and only for five minutes', () => {
    const t = NOW_MS / 1_000;
    const v1 = hmac('sha256', Buffer.concat([Buffer.from(`${t}.`), BODY])).digest('hex');
    const header = (value: string) => ({ 'stripe-signature': value });
    const both = header(`t=${t},v1=${'0'.repeat(64)},v1=${v1},v0=xyz`);
    expect(check('stripe', both)).toBe('good');
    expect(check('stripe', both, OTHER)).toBe('wrong');
    expect(check('stripe', both, BODY, SECRET, NOW_MS + 301_000)).toBe('too_old');
    expect(check('stripe', header(`t=${t + 1},v1=${v1}`))).toBe('wrong');
    expect(check('stripe', header(`t=${t},v0=${v1}`))).toBe('wrong');
    expect(check('stripe', header('nonsense'))).toBe('wrong');
  });

  it('of a token are the token, bare or as a bearer', () => {
    expect(check('cloudevents', { authorization: `Bearer ${SECRET}` })).toBe('good');
    expect(check('cloudevents', { authorization: 'Bearer other' })).toBe('wrong');
  });
});
