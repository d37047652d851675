import { MillraceError } from '../../../engine/index.ts';

/**
 * Codes of `NatsServerError`: no server was found or could be had, the one that was named cannot run, it did not
 * start, or another process has its store.
 */
export type NatsServerErrorCode =
  | 'nats_server_unavailable'
  | 'nats_server_bin_unusable'
  | 'nats_server_start_failed'
  | 'nats_store_busy';

/** One way to a nats-server binary that did not lead to one: why, and what the reader can do about it. */
export interface FailedStep {
  readonly step: string;
  readonly reason: string;
  readonly advice: string;
}

/** The embedded server cannot be found or started. `steps` is empty unless a binary was looked for. */
export class NatsServerError extends MillraceError {
  declare readonly code: NatsServerErrorCode;
  readonly steps: readonly FailedStep[];

  constructor(
    code: NatsServerErrorCode,
    message: string,
    options: { cause?: unknown; steps?: readonly FailedStep[] } = {},
  ) {
    super(code, message, { cause: options.cause });
    this.name = 'NatsServerError';
    this.steps = options.steps ?? [];
  }
}

/** Thrown inside a step of the search: `advice` becomes part of the final error. */
export class StepFailure extends Error {
  readonly advice: string;

  constructor(reason: string, advice: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'StepFailure';
    this.advice = advice;
  }
}

/** What went wrong, in one line, with the cause that `fetch` hides behind "fetch failed". */
export function describeError(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  // A step's reason already holds its cause's.
  if (thrown instanceof StepFailure || !(thrown.cause instanceof Error)) return thrown.message;
  const cause = thrown.cause;
  const code = 'code' in cause ? String(cause.code) : '';
  const detail = cause.message.includes(code) ? cause.message : `${code} ${cause.message}`;
  return `${thrown.message} (${detail.trim()})`;
}

/** True for a file system error of this code, e.g. `ENOENT`. */
export function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
