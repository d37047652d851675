import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Logger } from 'pino';
import type { Clock } from '../../engine/index.ts';
import type { JwtSettings } from '../../runtime/index.ts';
import { ApiError, type Principal, ROLES, TENANT_PATTERN } from '../http/index.ts';
import { invalidCredentials } from './challenge.ts';
import { RemoteKeys } from './remote-keys.ts';
import type { Roles } from './roles.ts';

/** Longest token; the HTTP server takes 16 KiB of headers. */
export const MAX_TOKEN_CHARS = 8_192;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;
/** No control characters: it goes into logs and answers. */
const SUBJECT = /^[^\p{C}]{1,255}$/u;
/** The end of the year 9999: the last second that RFC 3339 can say. */
const MAX_TIME_S = 253_402_300_799;

/** Why a claim does not pass, in words that repeat nothing of the token. */
const CLAIM_FAULTS: Readonly<Record<string, string>> = {
  iss: 'The token is not of the issuer that is trusted here.',
  aud: 'The token is meant for another audience.',
  exp: 'The token must say when it expires (exp).',
  nbf: 'The token is not valid yet.',
  iat: 'The token is not valid yet.',
  sub: 'The token must name its subject (sub).',
};

/** Whether a bearer has the form of a JWT: three parts of base64url, the last of which may be empty. */
export function looksLikeJwt(token: string): boolean {
  return JWT.test(token);
}

/** Checks JWT bearer tokens: signature by the configured algorithms and keys only, then every claim. */
export class TokenVerifier {
  readonly #settings: JwtSettings;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #roles: Roles;
  readonly #key: JWTVerifyGetKey;

  constructor(settings: JwtSettings, ports: { readonly clock: Clock; readonly log: Logger }, roles: Roles) {
    this.#settings = settings;
    this.#roles = roles;
    this.#clock = ports.clock;
    this.#log = ports.log;
    const { key } = settings;
    if (key.kind === 'secret') {
      const secret = new TextEncoder().encode(key.secret);
      this.#key = () => secret;
    } else {
      const keys = new RemoteKeys(key.url, ports);
      keys.warm();
      this.#key = keys.find;
    }
  }

  /**
   * Who the bearer of a token is. Throws 401 `token_expired` or `token_invalid`, and 503
   * `jwks_unavailable` when the keys of the issuer cannot be had.
   */
  async verify(token: string): Promise<Principal> {
    if (token.length > MAX_TOKEN_CHARS) {
      throw invalid(`The token has more than ${MAX_TOKEN_CHARS} characters.`);
    }
    const { algorithms, issuer, audience, clockTolerance_ms } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: [...algorithms],
        issuer,
        audience,
        requiredClaims: ['exp', 'sub'],
        clockTolerance: clockTolerance_ms / 1_000,
        currentDate: new Date(this.#clock.now()),
      });
      return this.#principalOf(payload);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #principalOf(payload: JWTPayload): Principal {
    const { issuer, roleClaim, tenantClaim, clockTolerance_ms } = this.#settings;
    const { sub, exp, iat = 0 } = payload;
    // jose leaves `iat` alone unless it is told a greatest age.
    if (iat * 1_000 > this.#clock.now() + clockTolerance_ms) throw invalid('The token is not valid yet.');
    if (exp === undefined || exp > MAX_TIME_S) throw invalid('The token expires at no time that there is.');
    if (typeof sub !== 'string' || !SUBJECT.test(sub)) {
      throw invalid('The subject (sub) must be 1 to 255 characters, none of them control characters.');
    }
    const tenant = payload[tenantClaim];
    if (typeof tenant !== 'string' || !TENANT_PATTERN.test(tenant)) {
      throw invalid(`The claim ${tenantClaim} must name a tenant.`);
    }
    const role = payload[roleClaim];
    if (typeof role !== 'string' || !this.#roles.has(tenant, role)) {
      throw invalid(`The claim ${roleClaim} must be one of ${ROLES.join(', ')}, or a role of the tenant.`);
    }
    return {
      kind: 'jwt',
      // No API key has such an id, so limits and jobs of keys and of subjects never mix.
      key_id: `jwt:${issuer}|${sub}`,
      name: sub,
      role,
      permissions: this.#roles.permissionsOf(tenant, role),
      scopes: null,
      rate_limit: null,
      tenant,
      tenants: 'own',
      expires_at_ms: Math.floor(exp * 1_000),
    };
  }

  #refusal(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof errors.JWTExpired) {
      return invalidCredentials('token_expired', 'The token has expired. Get a new one.');
    }
    if (error instanceof errors.JWTClaimValidationFailed) {
      return invalid(CLAIM_FAULTS[error.claim] ?? 'A claim of the token is not valid.');
    }
    if (error instanceof errors.JOSEAlgNotAllowed) {
      return invalid(
        `The token must be signed with ${this.#settings.algorithms.join(' or ')}, as is configured here.`,
      );
    }
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      return invalid('The token must name the key that signed it (kid): the issuer has several.');
    }
    if (error instanceof errors.JWKSNoMatchingKey) {
      return invalid('The token is signed with a key that its issuer does not list.');
    }
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      return invalid('The signature of the token does not match.');
    }
    // Not an error of jose's own: worth a look, but all the same a token that cannot be verified.
    if (!(error instanceof errors.JOSEError)) this.#log.warn({ err: error }, 'a token cannot be checked');
    return invalid('The token is not a JWT that can be read.');
  }
}

function invalid(detail: string): ApiError {
  return invalidCredentials('token_invalid', detail);
}
