import { z } from 'zod';

/** The schema of what is a body with other members beside it, for the documentation. */
export function withMembers(schema: z.ZodType, members: z.ZodRawShape): z.ZodType {
  if (schema instanceof z.ZodObject) return schema.safeExtend(members);
  if (schema instanceof z.ZodUnion) {
    return z.union(schema.options.map((option) => withMembers(option as z.ZodType, members)));
  }
  return z.intersection(z.looseObject(members), schema);
}
