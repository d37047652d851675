import { z } from 'zod';
import { timestamp, timeText } from '../../http/index.ts';
import type { Found } from './letter-reader.ts';

export const letterSchema = z.object({
  sequence: z.int().describe('Its place in the stream of dead letters'),
  reason: z.string().describe('Code, stable'),
  detail: z.string().nullable().describe('null: it may say what is masked for your role'),
  at: timestamp('When it was rejected'),
  type: z.string().nullable().describe('Type of the event as the payload says it'),
  group: z.string().describe('Of `GET /dead-letters/groups`'),
  original: z.object({
    subject: z.string().nullable().describe('null: its last part may say what is masked for your role'),
    stream: z.string(),
    sequence: z.int().describe('0: it came from no stream'),
    part: z.int().describe('Which event of its message'),
  }),
  payload: z.string().nullable().describe('As it was sent; null where something is masked for your role'),
  truncated_from: z.int().nullable().describe('Bytes of the original, where only its beginning was kept'),
  resolved_at: z.string().nullable().describe('When it was mended and sent again'),
  resolved_by: z.string().nullable().describe('The job that did'),
});
export type LetterView = z.output<typeof letterSchema>;

const PAYLOAD_MAX_BYTES = 16_384;

/** A letter as a caller sees it. `isMasked`: something of events is hidden from the role, so payloads are. */
export function letterView({ letter, type, group, resolved }: Found, isMasked: boolean): LetterView {
  const { sequence, reason, detail, at_ms, original_subject, original_sequence, payload } = letter;
  return {
    ...{ sequence, reason, group },
    detail: isMasked ? null : detail,
    at: timeText(at_ms),
    type: type === '' ? null : type,
    original: {
      subject: isMasked ? null : original_subject,
      stream: letter.original_stream,
      sequence: original_sequence,
      part: letter.original_part,
    },
    payload: isMasked ? null : Buffer.from(payload.subarray(0, PAYLOAD_MAX_BYTES)).toString('utf8'),
    truncated_from: letter.truncated_from ?? (payload.length > PAYLOAD_MAX_BYTES ? payload.length : null),
    resolved_at: resolved === undefined ? null : timeText(resolved.at_ms),
    resolved_by: resolved?.job_id ?? null,
  };
}

export const LETTER_EXAMPLE: LetterView = {
  sequence: 41,
  reason: 'bad_field',
  detail: 'amount: Invalid input: expected int, received string',
  at: '2025-08-01T12:00:00.000Z',
  type: 'order.created',
  group: 'dlg_5f1c2b7a9e0d4c8b6a3f',
  original: { subject: 'events.default.o-1', stream: 'EVENTS', sequence: 18_240, part: 0 },
  payload: '{"event_id":"evt-1","type":"order.created","time":"2025-08-01T12:00:00Z","amount":"45.99"}',
  truncated_from: null,
  resolved_at: null,
  resolved_by: null,
};

export const groupSchema = z.object({
  group: z.string().describe('Id, the same as long as reason and shape are'),
  reason: z.string(),
  shape: z.array(z.string()).describe('Every path of the payload with the type of what lies there'),
  types: z.array(z.string()).describe('Types of the events, the first of them'),
  count: z.int(),
  resolved: z.int().describe('Of them'),
  first_at: z.string(),
  last_at: z.string(),
  example: letterSchema.describe('The newest of them that was looked at'),
});
