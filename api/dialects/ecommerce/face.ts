import { z } from 'zod';
import type { Face, Problem } from '../../http/index.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Where a member of a request lies: the callers of this API tell query parameters from bodies. */
const locOf = (path: string): readonly string[] => [
  'query',
  ...path.split('.').filter((part) => part !== ''),
];

/** What is wrong, never nothing: not every problem has a place in the request. */
const listed = (errors: Problem['errors'], detail: string) =>
  errors === undefined || errors.length === 0 ? [{ path: '', message: detail }] : errors;

/** Errors as callers of FastAPI services know them: `detail` is a sentence, of a 422 a list. */
export const ECOMMERCE: Face = {
  base: '/analytics',
  media_type: JSON_TYPE,
  error: z.object({
    detail: z
      .union([z.string(), z.array(z.object({ loc: z.array(z.string()), msg: z.string(), type: z.string() }))])
      .describe('A sentence; of a 422 a list of what is wrong'),
  }),
  errorOf: ({ status, detail, code, errors }: Problem) => ({
    status,
    json: {
      detail:
        status === 422
          ? listed(errors, detail).map(({ path, message }) => ({
              ...{ loc: locOf(path), msg: message, type: code },
            }))
          : detail,
    },
  }),
};
