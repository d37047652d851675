import { z } from 'zod';
import {
  exactJsonText,
  flatten,
  isObject,
  type Mapping,
  mappingSchema,
  mapRecord,
  own,
  partOf,
  splitBody,
  structuredOf,
  type TimeLimits,
  valueOfPart,
} from '../../../analytics/index.ts';
import { mergePatch } from '../../../runtime/index.ts';
import type { FieldError } from '../../http/index.ts';
import { checkEvent, type EventCheck } from '../ingest/index.ts';
import { type Letter, summaryOf } from './letter.ts';

const PATCH_MAX_CHARS = 65_536;
/** Events of one letter. */
const MAX_EVENTS = 10_000;

/** How letters become events. Without any of it they are taken as they are. */
export const mendSchema = {
  mapping: mappingSchema
    .optional()
    .describe('Makes events of the payload, by paths, constants, renames and money as decimal text'),
  patch: z
    .record(z.string(), z.unknown())
    .refine((patch) => JSON.stringify(patch).length <= PATCH_MAX_CHARS, 'is too large')
    .optional()
    .describe('A JSON merge patch of each event, behind the mapping: null removes a member'),
  assign_event_ids: z
    .boolean()
    .default(false)
    .describe('An event without an id gets one that follows from the place of its dead letter'),
};

export interface Mend {
  readonly mapping?: Mapping | undefined;
  readonly patch?: Readonly<Record<string, unknown>> | undefined;
  readonly assign_event_ids: boolean;
}

export type GoodCheck = Extract<EventCheck, { ok: true }>;

export type Mended =
  | { readonly ok: true; readonly events: readonly GoodCheck[]; readonly dropped?: string }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly errors: readonly FieldError[];
      /** null: there is none to name. */
      readonly event_id: string | null;
    };

/**
 * The events that a letter becomes, each checked as the stream's decoder checks it: all of them or none. A function of
 * letter and mend, so it gives the same whenever it is done. Never throws for any payload.
 */
export function mended(letter: Letter, mend: Mend, limits: TimeLimits): Mended {
  const summary = summaryOf(letter);
  if (summary !== undefined) return failed('no_event', summary);
  if (letter.truncated_from !== undefined) {
    const had = `only its beginning was kept, of ${letter.truncated_from} bytes`;
    return failed('truncated', `${had}, and the stream does not have the whole any more`);
  }
  const values = partsOf(letter);
  if ('ok' in values) return values;
  const events: GoodCheck[] = [];
  let dropped: string | undefined;
  for (const [index, value] of values.parts.entries()) {
    const made = eventsOf(value, letter, mend, index);
    if ('ok' in made) return made;
    dropped ??= made.dropped;
    for (const bytes of made.events) {
      const check = checkEvent(bytes, limits);
      if (!check.ok) return { ...check, ok: false };
      events.push(check);
    }
  }
  const same = letter.reason === 'conflict' ? sameId(values.parts, events) : undefined;
  if (same !== undefined) return failed('conflict', CONFLICT, same);
  return { ok: true, events, ...(dropped === undefined ? {} : { dropped }) };
}

const CONFLICT = 'an event of that id with another payload counts already; give it another id to count both';

const failed = (code: string, message: string, event_id: string | null = null): Mended & { ok: false } => ({
  ...{ ok: false, code, message, event_id },
  errors: [{ path: '', message }],
});

interface Part {
  readonly value: unknown;
  /** As it was sent. */
  readonly bytes: Uint8Array;
}

/** What the payload holds: mostly one event, several where it is a whole message. */
function partsOf({
  payload,
  headers,
}: Letter): { readonly parts: readonly Part[] } | (Mended & { ok: false }) {
  const body = splitBody(payload, headers, MAX_EVENTS);
  const count = body === undefined ? 0 : body.ranges.length / 2;
  if (body === undefined || count === 0) return failed('malformed_json', 'the payload is no JSON');
  if (count > MAX_EVENTS) return failed('too_many_events', `the payload has more than ${MAX_EVENTS} events`);
  const parts: Part[] = [];
  for (let at = 0; at < count; at++) {
    const sent = partOf(payload, body, at) ?? payload;
    const bytes = body.form === 'binary' ? structuredOf(headers, sent) : sent;
    const parsed = bytes === undefined ? undefined : valueOfPart({ header: () => undefined }, bytes);
    if (bytes === undefined || parsed?.ok !== true) {
      return failed('malformed_json', parsed?.ok === false ? parsed.detail : 'the data is no JSON');
    }
    parts.push({ value: parsed.value, bytes });
  }
  return { parts };
}

type Made = { readonly events: readonly Uint8Array[]; readonly dropped?: string };

function eventsOf(
  { value, bytes }: Part,
  letter: Letter,
  { mapping, patch, assign_event_ids }: Mend,
  index: number,
): Made | (Mended & { ok: false }) {
  const mapped = mapping === undefined ? undefined : mapRecord(mapping, recordOf(value, letter));
  if (mapped?.ok === false) {
    const { code, field, message } = mapped;
    return { ...failed(code, message), errors: [{ path: field, message }] };
  }
  const untouched = mapped === undefined && patch === undefined;
  const sources: readonly unknown[] = mapped?.events ?? [value];
  const events = sources.map((source, at) => {
    const flat = untouched ? source : flatten(source);
    const patched = patch === undefined || !isObject(flat) ? flat : mergePatch(flat, patch);
    const needsId = assign_event_ids && isObject(patched) && own(patched, 'event_id') == null;
    if (untouched && !needsId) return bytes;
    const id = `dl-${letter.identity}-${index}-${at}`;
    return Buffer.from(exactJsonText(needsId ? { ...(patched as object), event_id: id } : patched));
  });
  return { events, ...(mapped?.dropped === undefined ? {} : { dropped: mapped.dropped }) };
}

/** As the connector that it came from reads it: both give the same ids. */
function recordOf(body: unknown, letter: Letter): Parameters<typeof mapRecord>[1] {
  const headers = Object.fromEntries(lowerCase(letter));
  if (letter.record === undefined) return { body, headers };
  const { id, place } = letter.record;
  return { body, headers: { ...headers, place }, id };
}

function lowerCase({ headers }: Letter): readonly (readonly [string, string])[] {
  return [...(headers.headers?.() ?? [])].map(([name, text]) => [name.toLowerCase(), text]);
}

/** The id of an event that still is the one which was in conflict. */
function sameId(parts: readonly Part[], events: readonly GoodCheck[]): string | undefined {
  const before = new Set(parts.map(({ value }) => idOf(value)));
  return events.find(({ event_id }) => before.has(event_id))?.event_id;
}

function idOf(value: unknown): unknown {
  const members = flatten(value);
  return isObject(members) ? own(members, 'event_id') : undefined;
}
