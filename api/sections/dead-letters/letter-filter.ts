import { z } from 'zod';
import { normalType, parseEventTime } from '../../../analytics/index.ts';
import { eventType, type Letter, payloadValue } from './letter.ts';
import { groupId, shapeOf } from './shape.ts';

const MAX_SEQUENCES = 1_000;

const instantOf = (text: string): number => {
  const bytes = Buffer.from(text);
  return parseEventTime(bytes, 0, bytes.length);
};

const time = z
  .string()
  .max(64)
  .refine((text) => !Number.isNaN(instantOf(text)), 'must be an RFC 3339 date-time with an offset')
  .describe('When it was rejected, RFC 3339');

const members = {
  reason: z.string().min(1).max(64).optional().describe('Code of the reason'),
  type: z.string().min(1).max(64).optional().describe('Type of the event, as the payload says it'),
  from: time.optional(),
  to: time.optional(),
  group: z.string().max(64).optional().describe('Id of a group of `GET /dead-letters/groups`'),
  state: z
    .enum(['open', 'resolved', 'all'])
    .default('open')
    .describe('`resolved`: it was mended and sent again'),
};

/** As parameters of a request. */
export const filterQuery = members;

/** As a member of a body. */
export const filterSchema = z.strictObject({
  ...members,
  sequences: z
    .array(z.int().min(1))
    .min(1)
    .max(MAX_SEQUENCES)
    .optional()
    .describe('Single dead letters, by their `sequence`'),
});
export type LetterFilter = z.output<typeof filterSchema>;

/** A letter and what was found out about it. */
export interface Looked {
  readonly letter: Letter;
  /** Of the payload; undefined: it is no JSON. */
  readonly value: unknown;
  readonly type: string;
  readonly shape: readonly string[];
  readonly group: string;
}

export function look(letter: Letter): Looked {
  const value = payloadValue(letter);
  const shape = shapeOf(value);
  return { letter, value, type: eventType(value), shape, group: groupId(letter.reason, shape) };
}

/** Whether a letter is wanted, its mark aside. */
export function matcher({
  reason,
  type,
  from,
  to,
  group,
  sequences,
}: LetterFilter): (looked: Looked) => boolean {
  const from_ms = from === undefined ? Number.NEGATIVE_INFINITY : instantOf(from);
  const to_ms = to === undefined ? Number.POSITIVE_INFINITY : instantOf(to);
  const wanted = sequences === undefined ? undefined : new Set(sequences);
  const ofType = type === undefined ? undefined : normalType(type);
  return (looked) => {
    const { letter } = looked;
    if (wanted !== undefined && !wanted.has(letter.sequence)) return false;
    if (reason !== undefined && letter.reason !== reason) return false;
    if (letter.at_ms < from_ms || letter.at_ms >= to_ms) return false;
    if (ofType !== undefined && normalType(looked.type) !== ofType) return false;
    return group === undefined || looked.group === group;
  };
}
