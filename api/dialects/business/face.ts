import { z } from 'zod';
import type { Face, Problem } from '../../http/index.ts';

/** A parameter that cannot be read is 400 here, and a range whose ends are the wrong way round 422. */
const STATUSES: Readonly<Record<string, number>> = { validation_failed: 400, malformed_json: 400 };

/** Errors as `{statusCode, error, message}`, with the places of what is wrong. */
export const BUSINESS: Face = {
  base: '/api/analytics',
  media_type: 'application/json; charset=utf-8',
  error: z.object({
    statusCode: z.int(),
    error: z.string().describe('The stable code of the problem'),
    message: z.string(),
    details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  }),
  errorOf: ({ status: own, code, detail, errors }: Problem) => {
    const status = STATUSES[code] ?? own;
    const details = errors === undefined ? {} : { details: errors };
    return { status, json: { statusCode: status, error: code, message: detail, ...details } };
  },
};
