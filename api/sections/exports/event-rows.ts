import { AMOUNT_FIELDS, type FoundEvent, ROW_DIMENSIONS } from '../../../analytics/index.ts';
import type { Cell, Column } from '../../../runtime/index.ts';
import { MASK, type PiiMask } from '../../answers/index.ts';
import { timeText } from '../../http/index.ts';
import { majorUnits } from '../../tables/index.ts';
import { idsOf } from '../events/index.ts';

const IDS = ['order_id', 'customer_id', 'session_id'] as const;

/** Events as rows: ids, money in major units beside the currency, dimensions, place in the stream, payload. */
export function eventColumns(custom: readonly string[]): readonly string[] {
  return [
    ...['event_id', 'type', 'time', ...IDS, 'currency', ...AMOUNT_FIELDS],
    ...[...ROW_DIMENSIONS, ...custom].filter((name) => name !== 'currency' && name !== 'type'),
    ...['sequence', 'part', 'payload'],
  ];
}

const AMOUNTS: ReadonlySet<string> = new Set(AMOUNT_FIELDS);

/** The columns of events with their types, by name. */
export function typedEventColumns(names: readonly string[]): readonly Column[] {
  return names.map((name): Column => {
    if (name === 'time') return { name, type: 'time' };
    if (name === 'sequence' || name === 'part') return { name, type: 'integer' };
    if (name === 'payload') return { name, type: 'json' };
    return { name, type: AMOUNTS.has(name) ? 'money' : 'text' };
  });
}

export function eventCells(event: FoundEvent, columns: readonly string[], mask: PiiMask): readonly Cell[] {
  const { time_ms, type, currency, dimensions, amounts, sequence, part } = event;
  const text = event.text === null ? null : mask.textOf(event.text);
  const ids = idsOf(text);
  const idOf = (name: 'event_id' | (typeof IDS)[number]): Cell =>
    ids[name] === undefined ? null : String(ids[name]);
  const own: Readonly<Record<string, Cell>> = {
    event_id: idOf('event_id'),
    type,
    time: timeText(time_ms),
    ...Object.fromEntries(IDS.map((name) => [name, idOf(name)])),
    currency: currency === '' ? null : currency,
    ...Object.fromEntries(AMOUNT_FIELDS.map((name) => [name, majorUnits(amounts[name], currency)])),
    sequence: { number: String(sequence) },
    part: { number: String(part) },
    payload: text === null ? null : { json: text },
  };
  const cellOf = (name: string): Cell =>
    Object.hasOwn(own, name) ? (own[name] ?? null) : (dimensions[name] ?? null);
  return columns.map((name) => (mask.hides(name) ? MASK : cellOf(name)));
}
