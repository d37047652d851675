import { ApiError, type ProblemCode } from '../http/index.ts';

const REALM = 'Bearer realm="millrace"';

/** 401 for a request that brings no credentials, or none of the kind that is taken here (RFC 6750, 3.1). */
export function unauthorized(detail: string): ApiError {
  return new ApiError('unauthorized', `${detail} Send Authorization: Bearer <api key or token>.`, {
    headers: { 'WWW-Authenticate': REALM },
  });
}

/**
 * 401 for credentials that were given and are not good. `detail` also goes into the challenge: it must
 * repeat nothing of what the client sent.
 */
export function invalidCredentials(code: ProblemCode, detail: string): ApiError {
  const description = detail.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'");
  return new ApiError(code, detail, {
    headers: {
      'WWW-Authenticate': `${REALM}, error="invalid_token", error_description="${description}"`,
    },
  });
}
