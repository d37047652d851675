import { z } from 'zod';
import type { JsonValue } from '../../connectors/index.ts';

/** Records and events of a connector since it was made. */
const countsSchema = z.object({
  in: z.int(),
  accepted: z.int(),
  dropped: z.int(),
  dead: z.int(),
});
/** `in`, `dropped` and `dead` are records, `accepted` events. */
export type Counts = z.infer<typeof countsSchema>;

export const NO_COUNTS: Counts = { in: 0, accepted: 0, dropped: 0, dead: 0 };

export const added = (a: Counts, b: Counts): Counts => ({
  in: a.in + b.in,
  accepted: a.accepted + b.accepted,
  dropped: a.dropped + b.dropped,
  dead: a.dead + b.dead,
});

/**
 * - `starting`: nothing was read yet
 * - `ok`: the source answers
 * - `waiting`: it does not, or the stream does not; it is tried again
 * - `failed`: trying again changes nothing
 */
export const HEALTHS = ['starting', 'ok', 'waiting', 'failed'] as const;

const errorSchema = z.object({ code: z.string(), message: z.string(), at_ms: z.number() });

/** What is known of a connector, in the bucket that all processes share. Of one that pulls only its owner writes it. */
export const stateSchema = z.object({
  /** The process that reads for it; null: none. */
  owner: z.string().nullable().default(null),
  /** Where its config pointed to when the position was kept. */
  origin: z.string().default(''),
  /** After the last record whose events the stream has; absent: at the beginning. */
  position: z.custom<JsonValue>((value) => value !== undefined).optional(),
  position_at_ms: z.number().nullable().default(null),
  counts: countsSchema.default(NO_COUNTS),
  last_record_at_ms: z.number().nullable().default(null),
  /** Records that wait at the source; null: not known. */
  lag: z.number().nullable().default(null),
  health: z.enum(HEALTHS).default('starting'),
  /** The last one, also when it is over. */
  error: errorSchema.nullable().default(null),
  /** Of the last wish that was followed. */
  resyncs: z.int().default(0),
});
export type ConnectorState = z.infer<typeof stateSchema>;

export const NEW_STATE: ConnectorState = stateSchema.parse({});

/** What somebody asked of the owner. */
export const wishSchema = z.object({
  runs: z.int().default(0),
  resyncs: z.int().default(0),
});
export type Wish = z.infer<typeof wishSchema>;

export const NO_WISH: Wish = { runs: 0, resyncs: 0 };
