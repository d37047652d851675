import { createHmac, timingSafeEqual } from 'node:crypto';

/** How a source says that a body is its own. Data, so that a preset and a definition can name it. */
export type SignatureScheme =
  | {
      readonly scheme: 'hmac';
      readonly header: string;
      readonly algorithm: 'sha256' | 'sha1';
      readonly encoding: 'base64' | 'hex';
    }
  /** `t=<seconds>,v1=<hex>[,v1=…]`: HMAC-SHA256 of `<t>.<body>` (docs.stripe.com/webhooks, "Verify manually"). */
  | { readonly scheme: 'timestamped'; readonly header: string; readonly tolerance_ms: number }
  /** The secret itself, as a header or behind `Bearer `. */
  | { readonly scheme: 'token'; readonly header: string };

export type SignatureCheck = 'good' | 'missing' | 'wrong' | 'too_old';

/** Checks the bytes as they arrived, before they are parsed. Header names are in lower case. */
export function checkSignature(
  scheme: SignatureScheme,
  secret: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  now_ms: number,
): SignatureCheck {
  const given = headers[scheme.header];
  // An empty secret would make every signature one that anybody can compute.
  if (given === undefined || given === '' || secret === '') return 'missing';
  switch (scheme.scheme) {
    case 'token':
      return verdict(sameText(given.replace(/^Bearer /i, ''), secret));
    case 'hmac': {
      const right = createHmac(scheme.algorithm, secret).update(body).digest(scheme.encoding);
      return verdict(sameText(given.trim(), right));
    }
    case 'timestamped':
      return timestamped(given, secret, body, now_ms, scheme.tolerance_ms);
  }
}

function timestamped(
  given: string,
  secret: string,
  body: Uint8Array,
  now_ms: number,
  tolerance_ms: number,
): SignatureCheck {
  const parts = given.split(',').map((part) => part.trim());
  const time = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  if (!/^\d{1,12}$/.test(time)) return 'wrong';
  const right = createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex');
  const signatures = parts.filter((part) => part.startsWith('v1=')).map((part) => part.slice(3));
  if (!signatures.some((one) => sameText(one, right))) return 'wrong';
  return Math.abs(now_ms - Number(time) * 1_000) > tolerance_ms ? 'too_old' : 'good';
}

const verdict = (same: boolean): SignatureCheck => (same ? 'good' : 'wrong');

/** In a time that does not depend on where they differ. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
