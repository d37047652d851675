import {
  checkEventMembers,
  exactJsonText,
  flatten,
  type GoodEvent,
  normalType,
  partOf,
  splitBody,
  valueOfPart,
} from '../events/index.ts';
import { ARCHIVED_AMOUNTS, ARCHIVED_DIMENSIONS } from './archive-columns.ts';
import { type ArchivedMessage, headerOf, tenantOfSubject } from './archived-message.ts';

/** A value of a file: an integer, a text, a time or bytes, by its column. */
export type ArchiveValue = bigint | string | Date | Uint8Array | null;
export type ArchiveRow = Readonly<Record<string, ArchiveValue>>;

/** A row with the folder that it belongs into. */
export interface PlacedRow {
  readonly tenant: string;
  /** UTC day of the event, `YYYY-MM-DD`; of its storing where it is no event. */
  readonly day: string;
  readonly row: ArchiveRow;
}

const DAY_CHARS = 10;
const IDS = ['source', 'order_id', 'customer_id', 'session_id'] as const;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const dayOf = (time_ms: number): string => new Date(time_ms).toISOString().slice(0, DAY_CHARS);

/** The rows of a message, one a part; a body that has no parts is one row. */
export function rowsOf(message: ArchivedMessage): readonly PlacedRow[] {
  const { sequence, stored_ms, subject, data, headers } = message;
  const tenant = tenantOfSubject(subject);
  const source = { header: (name: string) => headerOf(message, name), headers: () => headers };
  const body = splitBody(data, source);
  const count = Math.max(1, (body?.ranges.length ?? 0) / 2);
  const rows: PlacedRow[] = [];
  for (let part = 0; part < count; part++) {
    const bytes = body === undefined ? undefined : partOf(data, body, part);
    const isPlain = body?.form !== 'binary';
    const { event, payload, rejected } = readPart(source, bytes, isPlain, stored_ms);
    const isWhole = part === 0 && payload !== null && isSame(payload, data);
    rows.push({
      tenant,
      day: dayOf(event?.time_ms ?? stored_ms),
      row: {
        ...{ sequence: BigInt(sequence), part: BigInt(part), stored_at: new Date(stored_ms), subject },
        ...(event === undefined ? {} : eventValues(event)),
        ...{ payload, rejected },
        // Of the whole message, so in its first row only.
        headers: part === 0 && headers.length > 0 ? JSON.stringify(headers) : null,
        message: part === 0 && !isWhole ? data : null,
      },
    });
  }
  return rows;
}

interface ReadPart {
  readonly event: GoodEvent | undefined;
  /** The flat event as it was sent; null where it is no text. */
  readonly payload: string | null;
  readonly rejected: string | null;
}

function readPart(
  source: Parameters<typeof valueOfPart>[0],
  bytes: Uint8Array | undefined,
  isPlain: boolean,
  stored_ms: number,
): ReadPart {
  if (bytes === undefined) return { event: undefined, payload: null, rejected: 'malformed_json' };
  const parsed = valueOfPart(source, bytes);
  if (!parsed.ok) return { event: undefined, payload: textOf(bytes) ?? null, rejected: 'malformed_json' };
  const flat = flatten(parsed.value);
  const payload = isPlain && flat === parsed.value ? textOf(bytes) : exactJsonText(flat);
  const checked = checkEventMembers(flat, { now_ms: stored_ms, cut_ms: Number.NEGATIVE_INFINITY });
  if (!checked.ok) return { event: undefined, payload: payload ?? null, rejected: checked.code };
  return { event: checked, payload: payload ?? null, rejected: null };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const isSame = (text: string, data: Uint8Array): boolean => Buffer.from(text).equals(data);

function eventValues({ input, members, time_ms }: GoodEvent): ArchiveRow {
  const text = (name: string): string | null => {
    const value = members[name];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  return {
    event_id: input.event_id,
    type: normalType(input.type),
    time: new Date(time_ms),
    ...Object.fromEntries(IDS.map((name) => [name, text(name)])),
    currency: input.currency?.toUpperCase() ?? null,
    ...Object.fromEntries(
      ARCHIVED_AMOUNTS.map((name) => [name, input[name] == null ? null : BigInt(input[name])]),
    ),
    ...Object.fromEntries(ARCHIVED_DIMENSIONS.map((name) => [name, text(name)])),
    items: input.items == null ? null : exactJsonText(members.items),
  };
}

/** Columns that `messageOf` reads. */
export const MESSAGE_COLUMNS = [
  ...['sequence', 'part', 'stored_at', 'subject', 'payload', 'headers', 'message'],
] as const;

/** The message of a row; undefined where the row is not the first of its message. */
export function messageOf(row: Readonly<Record<string, unknown>>): ArchivedMessage | undefined {
  const { sequence, part, stored_at, subject, payload, headers, message } = row;
  if (Number(part) !== 0) return undefined;
  const data = message instanceof Uint8Array ? message : Buffer.from(String(payload ?? ''));
  return {
    sequence: Number(sequence),
    stored_ms: (stored_at as Date).getTime(),
    subject: String(subject),
    data,
    headers: typeof headers === 'string' ? (JSON.parse(headers) as ArchivedMessage['headers']) : [],
  };
}
