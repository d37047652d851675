import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { TEST_NOW_MS } from '../fixture-api.ts';

/** Tokens, and an issuer of them that publishes its keys. For tests. */

export const ISSUER = 'https://id.example.com/';
export const AUDIENCE = 'millrace';
export const SECRET = 'a secret that is long enough: 0123456789abcdef';
const NOW_S = TEST_NOW_MS / 1_000;

/** Settings of JWT that all tests share. */
export const JWT_ENV = { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE };
export const HS256_ENV = { ...JWT_ENV, JWT_HS256_SECRET: SECRET };

/** The claims of a good token at TEST_NOW_MS, changed by `changes`; undefined takes one away. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): JWTPayload {
  const good = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'alice',
    iat: NOW_S,
    exp: NOW_S + 300,
    tenant: 'acme',
    role: 'viewer',
  };
  return JSON.parse(JSON.stringify({ ...good, ...changes })) as JWTPayload;
}

export function hs256(
  changes: Readonly<Record<string, unknown>> = {},
  secret: string | Uint8Array = SECRET,
): Promise<string> {
  const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
  return new SignJWT(claims(changes)).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

/** Three parts from anything, signed by nobody. */
export function forged(header: unknown, payload: unknown, signature = ''): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(payload)}.${signature}`;
}

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly public_jwk: JWK;
  readonly public_key: CryptoKey;
  sign(
    changes?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>;
}

export async function signingKey(kid: string, alg: 'RS256' | 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const public_jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  return {
    kid,
    alg,
    public_jwk,
    public_key: publicKey,
    sign: (changes, header) =>
      new SignJWT(claims(changes)).setProtectedHeader({ alg, kid, ...header }).sign(privateKey),
  };
}

/** An issuer's HTTP server. What it answers can be changed by a test. */
export interface Issuer {
  readonly url: string;
  /** Requests so far. */
  asked: number;
  keys: readonly JWK[];
  /** `cut`: closes the connection. */
  answer: 'keys' | 'cut' | 'error' | 'moved' | 'text' | 'huge';
  close(): Promise<void>;
}

export async function startIssuer(keys: readonly JWK[]): Promise<Issuer> {
  const issuer = { keys, asked: 0, answer: 'keys' as Issuer['answer'] };
  const server = createServer((_, response) => {
    issuer.asked += 1;
    if (issuer.answer === 'cut') response.destroy();
    else if (issuer.answer === 'error') response.writeHead(500).end('no');
    else if (issuer.answer === 'moved') response.writeHead(302, { Location: '/elsewhere' }).end();
    else if (issuer.answer === 'text') response.end('<html>');
    else if (issuer.answer === 'huge') response.end(JSON.stringify({ keys: [], pad: 'x'.repeat(1_000_000) }));
    else response.end(JSON.stringify({ keys: issuer.keys }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(issuer, {
    url: `http://127.0.0.1:${port}/jwks`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
