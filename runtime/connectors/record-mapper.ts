import { createHash } from 'node:crypto';
import {
  exactJsonText,
  isDeeper,
  MAX_NESTING,
  mapRecord,
  parseExact,
  type RecordCondition,
  Scope,
} from '../../analytics/index.ts';
import type { SourceRecord } from '../../connectors/index.ts';
import type { ConnectorBody } from './connector-kind.ts';
import { rulesOf } from './connector-kind.ts';

export type RecordOutcome =
  /** `dropped`: the word under which something of it is left out on purpose. */
  | { readonly ok: true; readonly events: readonly Uint8Array[]; readonly dropped?: string }
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** Why a record that no rule of a mapping speaks of gives nothing. */
const FILTERED = 'filtered';

const encoder = new TextEncoder();

type Rules = Pick<ConnectorBody, 'mapping' | 'filters'>;

/** What ids of events may have of it: part of them is behind it. */
const ID = /^[\x21-\x7e]{1,120}$/;
const ID_HASH_CHARS = 48;

/** What the events of a record begin their ids with that have none of their own: the same whenever it comes. */
export function recordId(connector_id: string, place: string): string {
  const id = `${connector_id}:${place}`;
  if (ID.test(id)) return id;
  return `${connector_id}:${createHash('sha256').update(place).digest('hex').slice(0, ID_HASH_CHARS)}`;
}

/**
 * What a connector makes of a record: the JSON of its events, or why there are none. A function of the two alone.
 * Never throws.
 */
export function recordMapper(
  { mapping: choice, filters }: Rules,
  connector_id: string,
): (record: SourceRecord) => RecordOutcome {
  const mapping = rulesOf(choice);
  return ({ value, place, headers = {}, problem }) => {
    if (problem !== undefined) return { ok: false, ...problem };
    const parsed = parseExact(value, MAX_NESTING);
    if (!parsed.ok) return refused('malformed_json', parsed.detail);
    if (isDeeper(parsed.value, MAX_NESTING)) return refused('json_too_deep', TOO_DEEP);
    const record = { body: parsed.value, headers: { ...headers, place }, id: recordId(connector_id, place) };
    const mapped = mapRecord(mapping, record);
    if (!mapped.ok) return refused(mapped.code, mapped.message);
    const passing = mapped.events.filter((event) => passes(filters, event));
    const events = passing.map((event) => encoder.encode(exactJsonText(event)));
    const dropped = mapped.dropped ?? (passing.length < mapped.events.length ? FILTERED : undefined);
    return { ok: true, events, ...(dropped === undefined ? {} : { dropped }) };
  };
}

const TOO_DEEP = `It is nested more than ${MAX_NESTING} levels deep.`;

const refused = (code: string, detail: string): RecordOutcome => ({ ok: false, code, detail });

function passes(filters: RecordCondition | undefined, event: unknown): boolean {
  return filters === undefined || new Scope({ body: event, headers: {} }).holds(filters);
}
