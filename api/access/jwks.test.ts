import { generateKeyPairSync } from 'node:crypto';
import { exportSPKI, type JWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, startTestApi, type TestApi } from '../fixture-api.ts';
import {
  claims,
  forged,
  hs256,
  type Issuer,
  JWT_ENV,
  type SigningKey,
  signingKey,
  startIssuer,
} from './fixture-jwt.ts';
import {
  FAILURE_PAUSE_MS,
  KEYS_MAX_AGE_MS,
  KEYS_MAX_STALE_MS,
  UNKNOWN_KEY_COOLDOWN_MS,
} from './remote-keys.ts';

const FOR_EVER = { exp: 4_000_000_000 };

let rsa: SigningKey;
let ec: SigningKey;
let next: SigningKey;
let issuer: Issuer;
let test: TestApi;

beforeAll(async () => {
  [rsa, ec, next] = await Promise.all([
    signingKey('rsa-1', 'RS256'),
    signingKey('ec-1', 'ES256'),
    signingKey('rsa-2', 'RS256'),
  ]);
});
beforeEach(async () => {
  issuer = await startIssuer([rsa.public_jwk, ec.public_jwk]);
});
afterEach(async () => {
  await test.close();
  await issuer.close();
});

async function start(env: Record<string, string> = {}): Promise<void> {
  test = await startTestApi({ ...JWT_ENV, JWT_JWKS_URL: issuer.url, ...env });
}

async function send(key: string): Promise<[number, string]> {
  const response = await test.send('/permissions/me', { key });
  if (response.status === 503) expect(response.headers.get('retry-after')).toBe('5');
  return [response.status, response.status < 400 ? 'ok' : await codeOf(response)];
}

const OK = [200, 'ok'];
const INVALID = [401, 'token_invalid'];
const AWAY = [503, 'jwks_unavailable'];

describe('tokens by the keys of a JWKS', () => {
  it('are taken with RS256 and ES256, and the keys are fetched once', async () => {
    await start();
    const sent = await Promise.all([rsa, ec, rsa, ec].map(async (key) => send(await key.sign())));
    expect(sent).toEqual([OK, OK, OK, OK]);
    expect(issuer.asked).toBe(1);
  });

  it('are taken only with the algorithms that are configured', async () => {
    await start({ JWT_ALGORITHMS: 'ES256' });
    expect(await send(await ec.sign())).toEqual(OK);
    expect(await send(await rsa.sign())).toEqual(INVALID);
  });

  it('are refused when the public key was used as a secret, or none', async () => {
    await start();
    const pem = await exportSPKI(rsa.public_key);
    const jwk = JSON.stringify(rsa.public_jwk);
    const modulus = Buffer.from(rsa.public_jwk.n ?? '', 'base64url');
    for (const secret of [pem, pem.trim(), jwk, modulus]) {
      expect(await send(await hs256({ role: 'admin' }, secret))).toEqual(INVALID);
    }
    expect(await send(forged({ alg: 'none', kid: 'rsa-1' }, claims()))).toEqual(INVALID);
    expect(await send(forged({ alg: 'RS256', kid: 'rsa-1' }, claims()))).toEqual(INVALID);
    // Psychic signatures: r = s = 0.
    const zeros = Buffer.alloc(64).toString('base64url');
    expect(await send(forged({ alg: 'ES256', kid: 'ec-1' }, claims(), zeros))).toEqual(INVALID);
  });

  it('are refused when they bring or name a key of their own', async () => {
    const evil = await startIssuer([next.public_jwk]);
    try {
      await start();
      const headers = [{ jwk: next.public_jwk }, { jku: evil.url }, { x5u: evil.url }];
      for (const header of headers) {
        expect(await send(await next.sign({}, { kid: 'rsa-1', ...header }))).toEqual(INVALID);
      }
      expect(evil.asked).toBe(0);
    } finally {
      await evil.close();
    }
  });

  it('need no kid while one key fits', async () => {
    await start();
    expect(await send(await rsa.sign({}, { kid: undefined }))).toEqual(OK);
    issuer.keys = [rsa.public_jwk, next.public_jwk];
    test.clock.advance(KEYS_MAX_AGE_MS);
    expect(await send(await rsa.sign(FOR_EVER, { kid: undefined }))).toEqual(INVALID);
    expect(await send(await next.sign(FOR_EVER))).toEqual(OK);
  });
});

describe('the rotation of keys', () => {
  it('is noticed by a new kid, but unknown ones ask the issuer only now and then', async () => {
    await start();
    expect(await send(await rsa.sign())).toEqual(OK);
    issuer.keys = [next.public_jwk];
    for (let count = 0; count < 20; count++) {
      expect(await send(await next.sign({}, { kid: `guess-${count}` }))).toEqual(INVALID);
    }
    expect(issuer.asked).toBe(1);
    test.clock.advance(UNKNOWN_KEY_COOLDOWN_MS);
    expect(await send(await next.sign())).toEqual(OK);
    expect(await send(await rsa.sign())).toEqual(INVALID);
    expect(issuer.asked).toBe(2);
  });

  it('takes withdrawn keys away without being asked for another', async () => {
    await start();
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(OK);
    issuer.keys = [next.public_jwk];
    test.clock.advance(KEYS_MAX_AGE_MS);
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(INVALID);
  });
});

describe('an issuer that is away', () => {
  it.each(['cut', 'error', 'moved', 'text', 'huge'] as const)(
    'at the start (%s): 503, until it is back',
    async (answer) => {
      issuer.answer = answer;
      await start();
      const key = await test.key('viewer');
      for (let count = 0; count < 5; count++) expect(await send(await rsa.sign())).toEqual(AWAY);
      expect(issuer.asked).toBe(1);
      expect(await send(key)).toEqual(OK);
      // What needs no keys to be refused is refused.
      expect(await send(await hs256())).toEqual(INVALID);
      expect(await send('a.b.c')).toEqual(INVALID);
      issuer.answer = 'keys';
      expect(await send(await rsa.sign())).toEqual(AWAY);
      test.clock.advance(FAILURE_PAUSE_MS);
      expect(await send(await rsa.sign())).toEqual(OK);
    },
  );

  it('leaves known keys working for a day, and unknown ones undecided', async () => {
    await start();
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(OK);
    issuer.answer = 'cut';
    test.clock.advance(KEYS_MAX_AGE_MS);
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(OK);
    expect(await send(await ec.sign(FOR_EVER))).toEqual(OK);
    expect(await send(await next.sign(FOR_EVER))).toEqual(AWAY);
    expect(await send(await next.sign({ ...FOR_EVER, aud: 'x' }, { kid: 'rsa-1' }))).toEqual(INVALID);
    test.clock.advance(KEYS_MAX_STALE_MS - KEYS_MAX_AGE_MS);
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(AWAY);
    issuer.answer = 'keys';
    issuer.keys = [next.public_jwk];
    test.clock.advance(FAILURE_PAUSE_MS);
    expect(await send(await next.sign(FOR_EVER))).toEqual(OK);
    expect(await send(await rsa.sign(FOR_EVER))).toEqual(INVALID);
  });

  it('is no worse than one that lists keys that are no good', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const short = { ...publicKey.export({ format: 'jwk' }), kty: 'RSA', kid: 'rsa-2', alg: 'RS256' };
    const broken = { kty: 'RSA', kid: 'rsa-1', alg: 'RS256', n: 5, e: 'AQAB' } as unknown as JWK;
    issuer.keys = [broken, short, { kty: 'EC', kid: 'ec-1' }];
    await start();
    expect(await send(await rsa.sign())).toEqual(AWAY);
    expect(await send(await next.sign())).toEqual(AWAY);
    expect(await send(await ec.sign())).toEqual(INVALID);
    issuer.keys = [];
    test.clock.advance(UNKNOWN_KEY_COOLDOWN_MS);
    expect(await send(await ec.sign())).toEqual(INVALID);
    expect(await send(await rsa.sign())).toEqual(INVALID);
  });
});
