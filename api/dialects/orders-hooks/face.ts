import { z } from 'zod';
import type { Face, Problem } from '../../http/index.ts';

/** Errors as `{message, code, errors}`, `errors` by member. */
export const ORDERS: Face = {
  base: '/api/v1',
  media_type: 'application/json; charset=utf-8',
  error: z.object({
    message: z.string(),
    code: z.string().describe('The stable code of the problem'),
    errors: z.record(z.string(), z.array(z.string())).optional().describe('What is wrong, by member'),
  }),
  errorOf: ({ status, code, detail, errors }: Problem) => {
    const by = new Map<string, string[]>();
    for (const { path, message } of errors ?? []) by.set(path, [...(by.get(path) ?? []), message]);
    const members = errors === undefined ? {} : { errors: Object.fromEntries(by) };
    return { status, json: { message: detail, code, ...members } };
  },
};
