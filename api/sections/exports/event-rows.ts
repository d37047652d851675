import { AMOUNT_FIELDS, type FoundEvent, ROW_DIMENSIONS } from '../../../analytics/index.ts';
import type { Cell, Column } from '../../../runtime/index.ts';
import { MASK, type PiiMask } from '../../answers/index.ts';
import { timeText } from '../../http/index.ts';
import { majorUnits } from '../../tables/index.ts';
import { seenOf } from '../events/index.ts';

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

/** An event, its JSON and its ids as far as they may be seen. */
interface Seen extends Pick<FoundEvent, 'text' | 'ids'> {
  readonly event: FoundEvent;
}
type CellOf = (seen: Seen) => Cell;

/** Makes the row of an event. */
export function eventRow(columns: readonly string[], mask: PiiMask): (event: FoundEvent) => readonly Cell[] {
  const cells = columns.map((name): CellOf => (mask.hides(name) ? () => MASK : cellOf(name)));
  return (event) => {
    const seen: Seen = { event, ...seenOf(event, mask) };
    return cells.map((cell) => cell(seen));
  };
}

const OWN: Readonly<Record<string, CellOf>> = {
  event_id: ({ ids }) => idCell(ids.event_id),
  type: ({ event }) => event.type,
  time: ({ event }) => timeText(event.time_ms),
  ...Object.fromEntries(IDS.map((name): [string, CellOf] => [name, ({ ids }) => idCell(ids[name])])),
  currency: ({ event: { currency } }) => (currency === '' ? null : currency),
  ...Object.fromEntries(
    AMOUNT_FIELDS.map((name): [string, CellOf] => [
      name,
      ({ event: { amounts, currency } }) => majorUnits(amounts[name], currency),
    ]),
  ),
  sequence: ({ event }) => ({ number: String(event.sequence) }),
  part: ({ event }) => ({ number: String(event.part) }),
  payload: ({ text }) => (text === null ? null : { json: text }),
};

function cellOf(name: string): CellOf {
  const own = Object.hasOwn(OWN, name) ? OWN[name] : undefined;
  return own ?? (({ event: { dimensions } }) => dimensions[name] ?? null);
}

const idCell = (id: unknown): Cell => (id === undefined ? null : String(id));
