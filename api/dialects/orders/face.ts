import { z } from 'zod';
import type { Face, Problem } from '../../http/index.ts';

/** Errors as callers of Laravel services know them: `errors` has the sentences of each member; `code` is stable. */
export const ORDERS: Face = {
  base: '/api/v1',
  media_type: 'application/json; charset=utf-8',
  error: z.object({
    message: z.string(),
    code: z.string().describe('The stable code of the problem'),
    errors: z.record(z.string(), z.array(z.string())).optional().describe('What is wrong, by member'),
  }),
  errorOf: ({ status, code, detail, errors }: Problem) => {
    const by: Record<string, string[]> = {};
    for (const { path, message } of errors ?? []) by[path] = [...(by[path] ?? []), message];
    return { status, json: { message: detail, code, ...(errors === undefined ? {} : { errors: by }) } };
  },
};
