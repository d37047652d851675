import { NO_TEXT } from '../../engine/index.ts';
import { fnv1aOfString, hashInteger, hashJson, hashMember } from '../../operators/index.ts';
import { namedStatus } from '../order-names/index.ts';
import { CODE, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import { checkEventMembers, type GoodEvent } from './check.ts';
import { isObject, type Members, own } from './cloud-event.ts';
import type { EventBatch } from './event-batch.ts';
import { normalType, T, typeCode } from './event-types.ts';
import { MAX_SCALAR_CHARS } from './fields.ts';
import { hashId } from './identity.ts';
import { isTicket, isVersion, newRow, type RowPlace, setHash, setIdentity, setTicket } from './row.ts';

const NO_MEMBERS: Members = Object.freeze(Object.create(null) as Members);
const AMOUNTS = ['amount', 'discount', 'shipping', 'tax'] as const;
const encoder = new TextEncoder();
const STATUS = CODE.dimensions + ROW_DIMENSIONS.indexOf('status');
const words = new Uint32Array(4);

/** `data` of an event, empty where it has none. */
export function dataOf({ members }: GoodEvent): Members {
  const data = own(members, 'data');
  return isObject(data) ? data : NO_MEMBERS;
}

/** A scalar as text: the event's own member, else that of its `data`; '' where there is none, or no text. */
function scalarText(members: Members, data: Members, name: string): string {
  return textOfScalar(own(members, name) ?? own(data, name));
}

/** '' where it is no scalar, or no text that can be kept. */
export function textOfScalar(value: unknown): string {
  const scalar = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
  const text = scalar ? String(value) : typeof value === 'string' ? value : '';
  return text.length > MAX_SCALAR_CHARS || !isStorable(text) ? '' : text;
}

/** As texts of the schema: no NUL, no half of a surrogate pair. */
function isStorable(text: string): boolean {
  return /^[^\0\p{Cs}]*$/u.test(text);
}

/** Puts an event that was checked into a batch; its row. */
export function writeMembers(
  event: GoodEvent,
  custom: readonly string[],
  batch: EventBatch,
  place: RowPlace,
): number {
  const { input, members, time_ms } = event;
  const row = newRow(batch, place, time_ms, payloadHash(members, time_ms));
  const data = dataOf(event);
  const kind = typeCode(input.type);
  batch.kind[row] = kind;
  const { dictionary, columns } = batch;
  const { codes, numbers } = columns;
  const set = (column: number, text: string | null | undefined): void => {
    (codes[column] as Int32Array)[row] = text == null ? NO_TEXT : dictionary.codeOf(text);
  };
  set(CODE.type, normalType(input.type));
  const currency = input.currency?.toUpperCase() ?? '';
  (codes[CODE.currency] as Int32Array)[row] = currency === '' ? NO_TEXT : dictionary.ownCodeOf(currency);
  for (const [index, name] of ROW_DIMENSIONS.entries()) set(CODE.dimensions + index, input[name]);
  const status = textOfScalar(namedStatus(normalType(input.type), members));
  if (status !== '') set(STATUS, status);
  for (const [index, name] of custom.entries())
    set(CODE.dimensions + ROW_DIMENSIONS.length + index, scalarText(members, data, name));
  // Zero without a sign, as it is in the bytes of every column.
  for (const name of AMOUNTS)
    (numbers[NUMBER[name]] as Float64Array)[row] = input[name] == null ? Number.NaN : input[name] + 0;
  hashId(input.event_id, place.seed, words);
  setIdentity(batch, row, words);
  if (isVersion(kind)) {
    const id = encoder.encode(input.event_id);
    batch.setId(row, id, 0, id.length);
  }
  const hash = (text: string | null | undefined): Uint32Array | undefined => {
    if (text == null || text === '') return undefined;
    hashId(text, place.seed, words);
    return words;
  };
  setHash(batch, row, HASH.order, hash(input.order_id));
  // Nothing supersedes a retraction: when a person is erased, what its row says has to hold still.
  const customer = kind === T['event.retracted'] ? undefined : input.customer_id;
  setHash(batch, row, HASH.customer, hash(customer));
  setHash(batch, row, HASH.session, hash(input.session_id));
  const ticket = isTicket(kind) ? hash(scalarText(members, data, 'ticket_id') || input.order_id) : undefined;
  if (ticket !== undefined) setTicket(batch, row, ticket);
  writeItems(input.items ?? [], batch, row);
  return row;
}

function writeItems(items: NonNullable<GoodEvent['input']['items']>, batch: EventBatch, row: number): void {
  const { dictionary, own: rows } = batch;
  rows.itemStart[row] = rows.itemLength;
  rows.itemCount[row] = items.length;
  const first = rows.appendItems(items.length);
  const { codes, numbers } = rows.items;
  for (const [index, { sku, category, quantity, unit_price }] of items.entries()) {
    const item = first + index;
    (codes[ITEM_CODE.sku] as Int32Array)[item] = dictionary.codeOf(sku);
    (codes[ITEM_CODE.category] as Int32Array)[item] = dictionary.codeOf(category ?? '');
    (numbers[ITEM_NUMBER.quantity] as Float64Array)[item] = quantity + 0;
    (numbers[ITEM_NUMBER.unit_price] as Float64Array)[item] = unit_price + 0;
  }
}

/** Of all members but the id, whatever their order; the time by what it says. */
function payloadHash(members: Members, time_ms: number): number {
  let hash = 0;
  for (const [name, member] of Object.entries(members)) {
    if (name === 'event_id' || member === null) continue;
    const value = name === 'time' ? hashInteger(time_ms) : hashJson(member);
    hash = (hash + hashMember(fnv1aOfString(name), value)) | 0;
  }
  return hash;
}

/** The hash by which what an event says is told from other contents of its id; undefined where it is none. */
export function contentHash(flat: Members): number | undefined {
  const event = checkEventMembers(flat, { now_ms: Number.MAX_SAFE_INTEGER, cut_ms: 0 });
  return event.ok ? payloadHash(event.members, event.time_ms) : undefined;
}
