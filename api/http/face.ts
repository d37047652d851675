import type { z } from 'zod';
import type { Problem } from './problem.ts';

/** Another API over the same data: where its routes lie, and how its errors look. */
export interface Face {
  /** Before the path of its routes; without a slash at the end. */
  readonly base: string;
  /** Of its errors. */
  readonly media_type: string;
  /** The form of its errors, for the documentation. */
  readonly error: z.ZodType;
  /** A problem as this API says it; the status where it has another one. */
  errorOf(problem: Problem): { readonly status: number; readonly json: unknown };
}
