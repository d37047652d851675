import type { DisplacedEvent } from './displaced-kind.ts';
import { parseEventJson } from './event-json.ts';
import { fetchInSlices } from './fetch-slices.ts';
import type { FinderParts } from './find-events.ts';
import { type AmountField, type EventIds, eventIds, type FoundEvent } from './found-event.ts';
import type { MissingReason, PartReader } from './payloads.ts';
import type { SelectedColumns, Selection } from './select-request.ts';

export interface Described {
  readonly tenant: string;
  readonly upTo: number;
  readonly selection: Selection;
  /** Places in the selection. */
  readonly taken: readonly number[];
  /** Events of the selection that corrections took back, by `sequence/part`. */
  readonly displaced: ReadonlyMap<string, DisplacedEvent>;
  /** JSON by place in the selection, as far as it is at hand. */
  readonly texts: ReadonlyMap<number, string>;
}

/**
 * Events of a selection with their columns and payloads; fetches what of these is not at hand. Fewer than were
 * taken where their payloads have no room: one at least.
 */
export async function describeEvents(
  parts: FinderParts,
  described: Described,
  room_bytes: number,
  signal: AbortSignal,
): Promise<readonly FoundEvent[]> {
  const { selection, taken, tenant, displaced } = described;
  if (taken.length === 0) return [];
  const { rows, places } = await rowsWithColumns(parts, described, signal);
  const { columns } = rows;
  if (columns === undefined) throw new Error('a selection that was asked for columns has none');
  const { texts, end } = await textsOf(parts, described, room_bytes, signal);
  const shownPlaces = taken.slice(0, end);
  const isGone = shownPlaces.some((place) => !texts.has(place));
  const first = isGone ? await parts.payloads.firstSequence({ fresh: true }) : 0;
  const shown = shownBy(columns);
  return shownPlaces.map((place, index) => {
    const at = places[index] as number;
    const sequence = selection.sequence[place] as number;
    const text = texts.get(place);
    const ids = text === undefined ? undefined : idsIn(parts, tenant, text, columns.event[at] as number);
    const isOther = text !== undefined && ids === undefined;
    const gone: MissingReason = sequence < first ? 'retention' : 'deleted';
    const missing = isOther ? 'replaced' : text === undefined ? gone : undefined;
    return {
      time_ms: selection.time_ms[place] as number,
      sequence,
      part: selection.part[place] as number,
      ...shown(at),
      text: missing === undefined ? (text ?? null) : null,
      ids: ids ?? {},
      missing,
      displaced: displaced.size === 0 ? undefined : displaced.get(`${sequence}/${selection.part[place]}`),
    };
  });
}

/** A selection with the columns of the taken rows, and where each of them is in it. */
async function rowsWithColumns(
  { selector }: FinderParts,
  { tenant, upTo, selection, taken }: Described,
  signal: AbortSignal,
): Promise<{ readonly rows: Selection; readonly places: readonly number[] }> {
  if (selection.columns !== undefined) return { rows: selection, places: taken };
  const times = taken.map((place) => selection.time_ms[place] as number);
  const sequences = Float64Array.from(taken, (place) => selection.sequence[place] as number).sort();
  const rows = await selector.select(
    tenant,
    {
      start_ms: Math.min(...times),
      end_ms: Math.max(...times) + 1,
      upTo,
      order: 'asc',
      tests: [],
      sequences,
      // All events of these messages, though some may not be wanted.
      limit: MESSAGE_EVENTS_MAX * taken.length,
      withColumns: true,
      rows_max: Number.POSITIVE_INFINITY,
    },
    signal,
  );
  const byPlace = new Map<string, number>();
  for (let at = 0; at < rows.length; at++) byPlace.set(`${rows.sequence[at]}/${rows.part[at]}`, at);
  const places = taken.map((place) => {
    const at = byPlace.get(`${selection.sequence[place]}/${selection.part[place]}`);
    if (at === undefined) throw new Error(`no row of the log is at ${selection.sequence[place]}`);
    return at;
  });
  return { rows, places };
}

/** Events of one message, about: a megabyte has no more. */
const MESSAGE_EVENTS_MAX = 10_000;

/** JSON of what is taken, by place, as far as a page has room for it: `end` is the first that has none any more. */
async function textsOf(
  { payloads, reader }: FinderParts,
  { selection, taken, texts }: Described,
  room_bytes: number,
  signal: AbortSignal,
): Promise<{ readonly texts: ReadonlyMap<number, string>; readonly end: number }> {
  const all = new Map(texts);
  const lacking = taken.filter((place) => !texts.has(place));
  const sequences = [...new Set(lacking.map((place) => selection.sequence[place] as number))];
  let left_bytes = room_bytes;
  const keep = (place: number, text: string): void => {
    all.set(place, text);
    left_bytes -= 2 * text.length;
  };
  for (const place of taken) left_bytes -= 2 * (texts.get(place)?.length ?? 0);
  const fetched = new Set<number>();
  for await (const slice of fetchInSlices(payloads, sequences, signal)) {
    const readers = new Map<number, ReturnType<PartReader>>();
    for (const [sequence, message] of slice.found)
      if (message !== null) readers.set(sequence, reader(message));
    for (const sequence of slice.sequences) fetched.add(sequence);
    for (const place of lacking) {
      const text = readers.get(selection.sequence[place] as number)?.(selection.part[place] as number);
      if (text !== undefined) keep(place, text);
    }
    if (left_bytes < 0) break;
  }
  const isHere = (place: number): boolean =>
    all.has(place) || fetched.has(selection.sequence[place] as number);
  let [end, used_bytes] = [0, 0];
  for (; end < taken.length; end++) {
    const place = taken[end] as number;
    used_bytes += 2 * (all.get(place)?.length ?? 0);
    if (!isHere(place) || (end > 0 && used_bytes > room_bytes)) break;
  }
  return { texts: all, end };
}

/** The ids of the event that the stream has at a place; undefined: of another one, since it was restored or made again. */
function idsIn({ terms }: FinderParts, tenant: string, text: string, code: number): EventIds | undefined {
  const ids = eventIds(parseEventJson(text));
  if (ids.event_id === undefined) return undefined;
  return terms.eventCode(tenant, String(ids.event_id)) === code ? ids : undefined;
}

/** What an event is shown with, by its place among the rows. */
function shownBy({
  texts,
  text,
  number,
}: SelectedColumns): (at: number) => Pick<FoundEvent, 'type' | 'currency' | 'dimensions' | 'amounts'> {
  const textOf = (column: Int32Array | undefined, at: number): string => texts[column?.[at] ?? 0] ?? '';
  const dimensionColumns = Object.entries(text).filter(([name]) => name !== 'type' && name !== 'currency');
  const amountOf = (name: AmountField, at: number): number | null => {
    const value = number[name]?.[at];
    return value === undefined || Number.isNaN(value) ? null : value;
  };
  return (at) => {
    const dimensions: Record<string, string> = {};
    for (const [name, column] of dimensionColumns) {
      const value = textOf(column, at);
      if (value !== '') dimensions[name] = value;
    }
    const amounts = {
      amount: amountOf('amount', at),
      discount: amountOf('discount', at),
      shipping: amountOf('shipping', at),
      tax: amountOf('tax', at),
    };
    return { type: textOf(text.type, at), currency: textOf(text.currency, at), dimensions, amounts };
  };
}
