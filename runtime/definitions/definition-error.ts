import { MillraceError } from '../../engine/index.ts';

const STATUS = {
  not_found: 404,
  name_taken: 409,
  limit_reached: 409,
  revision_conflict: 409,
  definition_in_use: 409,
  validation_failed: 422,
} as const;

/** A change of a definition that is refused. `status` is the HTTP status of it. */
export class DefinitionError extends MillraceError {
  readonly status: number;
  readonly errors: readonly { readonly path: string; readonly message: string }[] | undefined;

  constructor(
    code: keyof typeof STATUS,
    message: string,
    errors?: readonly { readonly path: string; readonly message: string }[],
  ) {
    super(code, message);
    this.name = 'DefinitionError';
    this.status = STATUS[code];
    this.errors = errors;
  }
}

/** A single member that is wrong. */
export const invalidMember = (path: string, message: string): DefinitionError =>
  new DefinitionError('validation_failed', `${path} ${message}.`, [{ path, message }]);
