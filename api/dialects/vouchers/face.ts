import { z } from 'zod';
import type { Face, Problem } from '../../http/index.ts';

/** The longest span of time that this API answers, days. */
export const MAX_DAYS = 90;

/** Errors as `{"error": {code, message, details}}`, codes in capitals. */
export const VOUCHERS: Face = {
  base: '/analytics',
  media_type: 'application/json; charset=utf-8',
  error: z.object({
    error: z.object({
      code: z
        .string()
        .describe('`INVALID_TIME_PERIOD`, `VOUCHER_NOT_FOUND`, `EXPORT_FAILED`, else that of the problem'),
      message: z.string(),
      details: z.looseObject({}),
    }),
  }),
  errorOf: ({ status, code, detail, errors }: Problem) => {
    if (code === 'invalid_range') {
      return { status: 400, json: errorJson('INVALID_TIME_PERIOD', detail, { max_days: MAX_DAYS }) };
    }
    const details = errors === undefined ? {} : { errors };
    const named = code === 'not_found' ? 'NOT_FOUND' : code.toUpperCase();
    return { status, json: errorJson(named, detail, details) };
  },
};

const errorJson = (code: string, message: string, details: object): object => ({
  error: { code, message, details },
});
