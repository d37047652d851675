import { MillraceError } from '../../engine/index.ts';

export function notCaughtUp(
  stream: string,
  reached: number,
  sequence: number,
  timeout_ms: number,
): MillraceError {
  return new MillraceError(
    'not_caught_up',
    `After ${timeout_ms} ms ${reached} of ${sequence} messages of "${stream}" are committed. Wait longer, or ` +
      'see the log for what holds the task up.',
    { retriable: true },
  );
}
