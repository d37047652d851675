import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';
import { fnv1aOfString } from '../../operators/index.ts';
import { eventSchema, TIME_ALIASES } from '../event-schema.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';

/** How the bytes of a member are read. */
export const KIND = {
  /** Not of the schema: only the payload's hash takes it. */
  unknown: 0,
  text: 1,
  event_id: 2,
  time: 3,
  currency: 4,
  amount: 5,
  items: 6,
  data: 7,
  /** Declared dimensions and `ticket_id`: any scalar, here or in `data`. */
  scalar: 8,
} as const;

export interface Field {
  readonly name: string;
  readonly kind: number;
  /** Its place in the scan's arrays. */
  readonly slot: number;
  /** Characters; longer texts are left to the careful path. */
  readonly max_chars: number;
  readonly hash: number;
}

/** Fields of the schema whose slots are fixed, in the order of these. */
export const SLOT = {
  event_id: 0,
  type: 1,
  time: 2,
  order_id: 3,
  customer_id: 4,
  session_id: 5,
  currency: 6,
  amount: 7,
  discount: 8,
  shipping: 9,
  tax: 10,
  items: 11,
  data: 12,
  /** The first of ROW_DIMENSIONS; the others follow. */
  dimensions: 13,
  /** The first of `scalarNames`; the others follow. */
  ticket_id: 13 + ROW_DIMENSIONS.length,
} as const;

const SPECIAL: Readonly<Record<string, number>> = {
  event_id: KIND.event_id,
  time: KIND.time,
  currency: KIND.currency,
  items: KIND.items,
  data: KIND.data,
};

/** Text of a declared dimension beyond it is none. */
export const MAX_SCALAR_CHARS = 128;
export const MAX_CUSTOM_DIMENSIONS = 64;
/** Members that mean something else wherever they stand. */
const RESERVED: ReadonlySet<string> = new Set([
  ...Object.keys(eventSchema.shape),
  ...TIME_ALIASES,
  'specversion',
  '__proto__',
]);

/** Every field by its name in the JSON, aliases of `time` included; the schema's limits are read from it. */
export function fieldsByName(custom: readonly string[]): ReadonlyMap<string, Field> {
  const fields = new Map<string, Field>();
  for (const [name, schema] of Object.entries(eventSchema.shape)) {
    const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
    const type = inner instanceof z.ZodNullable ? inner.unwrap() : inner;
    const kind = SPECIAL[name] ?? (type instanceof z.ZodNumber ? KIND.amount : KIND.text);
    const max_chars = type instanceof z.ZodString ? (type.maxLength ?? 0) : 0;
    fields.set(name, { name, kind, slot: slotOf(name), max_chars, hash: fnv1aOfString(name) });
  }
  const time = fields.get('time');
  // Under its own name: the hash of an event's payload is the same, whatever its time is called.
  if (time !== undefined) for (const alias of TIME_ALIASES) fields.set(alias, time);
  for (const [index, name] of scalarNames(custom).entries()) {
    const slot = SLOT.ticket_id + index;
    fields.set(name, {
      name,
      kind: KIND.scalar,
      slot,
      max_chars: MAX_SCALAR_CHARS,
      hash: fnv1aOfString(name),
    });
  }
  return fields;
}

function slotOf(name: string): number {
  const dimension = (ROW_DIMENSIONS as readonly string[]).indexOf(name);
  if (dimension >= 0) return SLOT.dimensions + dimension;
  const slot = (SLOT as Readonly<Record<string, number>>)[name];
  if (slot === undefined) throw new Error(`the schema's field ${name} has no column`);
  return slot;
}

/** Members that any scalar may stand in, in the order of their slots. `ticket_id` may be declared as well. */
export function scalarNames(custom: readonly string[]): readonly string[] {
  return ['ticket_id', ...custom.filter((name) => name !== 'ticket_id')];
}

/** Throws `bad_dimension` for declared dimensions that cannot be columns. */
export function checkCustom(custom: readonly string[]): void {
  if (custom.length > MAX_CUSTOM_DIMENSIONS)
    throw new MillraceError('bad_dimension', `At most ${MAX_CUSTOM_DIMENSIONS} dimensions can be declared.`);
  for (const [index, name] of custom.entries()) {
    if (RESERVED.has(name))
      throw new MillraceError(
        'bad_dimension',
        `"${name}" cannot be declared: it has its meaning in every event.`,
      );
    if (custom.indexOf(name) < index)
      throw new MillraceError('bad_dimension', `The dimension "${name}" is declared twice.`);
  }
}
