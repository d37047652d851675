import type { Answer, StoredAnswer } from '../../http/index.ts';

/** An answer that was stored, or is about to be, as HTTP. */
export function storedAnswer({ status, headers, body }: StoredAnswer, replayed: boolean): Answer {
  return {
    status: status as Answer['status'],
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      ...headers,
      ...(replayed ? { 'Idempotency-Replayed': 'true' } : {}),
    },
    text: body,
  };
}
