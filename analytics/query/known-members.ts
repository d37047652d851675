import type { z } from 'zod';

/** For `safeParse(value, { error })`: a member that the schema has not is answered with those that it has. */
export const saysKnownMembers: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const { shape } = (issue.inst?._zod.def ?? {}) as { readonly shape?: object };
  const unknown = issue.keys.map((key) => JSON.stringify(key)).join(', ');
  const known = Object.keys(shape ?? {}).join(', ');
  return `Unrecognized key: ${unknown}${known === '' ? '' : `; there are: ${known}`}`;
};
