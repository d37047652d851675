import { MillraceError } from '../../engine/index.ts';

const STATUSES = {
  not_found: 404,
  wrong_state: 409,
  file_elsewhere: 409,
  expired: 410,
  body_too_large: 413,
  too_many_jobs: 429,
} as const;

/** A request about jobs that cannot be done. `status` is HTTP's, `retryAfter_s` in how many seconds it may. */
export class JobError extends MillraceError {
  readonly status: number;
  readonly retryAfter_s: number | undefined;

  constructor(code: keyof typeof STATUSES, message: string, options: { retryAfter_s?: number } = {}) {
    super(code, message);
    this.name = 'JobError';
    this.status = STATUSES[code];
    this.retryAfter_s = options.retryAfter_s;
  }
}
