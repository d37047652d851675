import { z } from 'zod';
import { duration } from './setting-fields.ts';

/** By the keys of a JWKS. With a secret there is only HS256. */
const PUBLIC_KEY_ALGORITHMS = ['RS256', 'ES256'] as const;
const ALGORITHMS = ['HS256', ...PUBLIC_KEY_ALGORITHMS] as const;
export type JwtAlgorithm = (typeof ALGORITHMS)[number];

/** RFC 7518, 3.2: a key as long as the hash, at least. */
const MIN_SECRET_BYTES = 32;
const MAX_TOLERANCE_MS = 300_000;
/** Claims whose meaning is fixed, so that none of them can be the role or the tenant. */
const FIXED_CLAIMS = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** How JWT bearer tokens are checked. */
export interface JwtSettings {
  /** What signatures are checked with: one secret, or the public keys at a URL. Never both. */
  readonly key:
    | { readonly kind: 'secret'; readonly secret: string }
    | { readonly kind: 'jwks'; readonly url: string };
  readonly algorithms: readonly JwtAlgorithm[];
  readonly issuer: string;
  readonly audience: string;
  readonly tenantClaim: string;
  readonly roleClaim: string;
  readonly clockTolerance_ms: number;
}

const secret = z
  .string()
  .refine(
    (text) => Buffer.byteLength(text) >= MIN_SECRET_BYTES,
    `must be at least ${MIN_SECRET_BYTES} bytes long`,
  )
  .optional();

const jwksUrl = z
  .string()
  .refine(isJwksUrl, 'must be an http or https URL without credentials, e.g. https://id.example.com/jwks')
  .optional();

function isJwksUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

const algorithms = z
  .string()
  .transform((text, context): readonly JwtAlgorithm[] => {
    const names = text.split(',').map((name) => name.trim());
    const known = ALGORITHMS.filter((algorithm) => names.includes(algorithm));
    if (names.every((name) => ALGORITHMS.some((algorithm) => algorithm === name))) return known;
    context.addIssue('must list RS256, ES256 or both, joined by "," (HS256 goes with a secret)');
    return z.NEVER;
  })
  .optional();

const exactText = z.string().max(512, 'must have at most 512 characters').optional();

// A claim's name is told in answers and in a header, so it has to be what those can carry.
const claim = (fallback: string) =>
  z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'must be the name of a claim, e.g. tenant')
    .refine((name) => !FIXED_CLAIMS.has(name), 'must not be a claim of another meaning')
    .default(fallback);

/** The settings of JWT, by environment variable. */
export const jwtFields = {
  JWT_HS256_SECRET: secret.describe('Secret of tokens that are signed with HS256, UTF-8 text'),
  JWT_JWKS_URL: jwksUrl.describe('Where the public keys of the token issuer are, instead of a secret'),
  JWT_ALGORITHMS: algorithms.describe('Signatures that are accepted: HS256, or of RS256 and ES256'),
  JWT_ISSUER: exactText.describe('The `iss` that a token must have'),
  JWT_AUDIENCE: exactText.describe('The `aud` that a token must have among its own'),
  JWT_TENANT_CLAIM: claim('tenant').describe('Claim with the tenant'),
  JWT_ROLE_CLAIM: claim('role').describe('Claim with the role'),
  JWT_CLOCK_TOLERANCE: duration('30s', MAX_TOLERANCE_MS).describe(
    'How far the clocks of issuer and server may be apart',
  ),
};

const jwtSchema = z.object(jwtFields);
type JwtValues = z.output<typeof jwtSchema>;

/** Refuses settings that do not go together. */
export function checkJwt(values: JwtValues, context: z.RefinementCtx<JwtValues>): void {
  const refuse = (name: keyof JwtValues, message: string): void => {
    context.addIssue({ code: 'custom', path: [name], message });
  };
  const { JWT_HS256_SECRET, JWT_JWKS_URL, JWT_ALGORITHMS } = values;
  if (JWT_HS256_SECRET === undefined && JWT_JWKS_URL === undefined) {
    for (const name of ['JWT_ALGORITHMS', 'JWT_ISSUER', 'JWT_AUDIENCE'] as const) {
      if (values[name] !== undefined) refuse(name, 'needs JWT_HS256_SECRET or JWT_JWKS_URL beside it');
    }
    return;
  }
  if (JWT_HS256_SECRET !== undefined && JWT_JWKS_URL !== undefined) {
    refuse('JWT_JWKS_URL', 'must not be set together with JWT_HS256_SECRET');
  } else if (JWT_HS256_SECRET !== undefined && JWT_ALGORITHMS?.some((algorithm) => algorithm !== 'HS256')) {
    refuse('JWT_ALGORITHMS', 'must be HS256, or absent, with JWT_HS256_SECRET');
  } else if (JWT_JWKS_URL !== undefined && JWT_ALGORITHMS?.includes('HS256')) {
    refuse('JWT_ALGORITHMS', 'must list RS256, ES256 or both with JWT_JWKS_URL');
  }
  for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE'] as const) {
    if (values[name] === undefined) refuse(name, 'must be set when tokens are accepted');
  }
  if (values.JWT_TENANT_CLAIM === values.JWT_ROLE_CLAIM) {
    refuse('JWT_ROLE_CLAIM', 'must be another claim than JWT_TENANT_CLAIM');
  }
}

/** The checked settings of JWT; undefined when tokens are not accepted. */
export function jwtOf(values: JwtValues): JwtSettings | undefined {
  const { JWT_HS256_SECRET, JWT_JWKS_URL, JWT_ISSUER, JWT_AUDIENCE } = values;
  if (JWT_ISSUER === undefined || JWT_AUDIENCE === undefined) return undefined;
  const rest = {
    issuer: JWT_ISSUER,
    audience: JWT_AUDIENCE,
    tenantClaim: values.JWT_TENANT_CLAIM,
    roleClaim: values.JWT_ROLE_CLAIM,
    clockTolerance_ms: values.JWT_CLOCK_TOLERANCE,
  };
  if (JWT_HS256_SECRET !== undefined) {
    return { ...rest, key: { kind: 'secret', secret: JWT_HS256_SECRET }, algorithms: ['HS256'] };
  }
  if (JWT_JWKS_URL === undefined) return undefined;
  const algorithms = values.JWT_ALGORITHMS ?? PUBLIC_KEY_ALGORITHMS;
  return { ...rest, key: { kind: 'jwks', url: JWT_JWKS_URL }, algorithms };
}
