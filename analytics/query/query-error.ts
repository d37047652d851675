import { MillraceError } from '../../engine/index.ts';

/** What is wrong with one member of a request; `path` is dotted, e.g. `filters.country`. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** A query that is well formed but cannot be answered. `message` says what to ask instead. */
export class QueryError extends MillraceError {
  readonly status = 422;
  readonly errors: readonly FieldError[];

  constructor(code: string, message: string, errors: readonly FieldError[] = []) {
    super(code, message);
    this.name = 'QueryError';
    this.errors = errors;
  }
}
