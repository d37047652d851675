import { type FinderParts, parseEventJson } from '../../../analytics/index.ts';
import type { PiiMask } from '../../answers/index.ts';

/** Messages that one look-up reads. */
const MESSAGES_A_FETCH = 1_000;

/** What an event says of itself; null: it does not say it, or is not in the stream any more. */
export interface CauseEvent {
  readonly event_id: string | null;
  readonly type: string | null;
  readonly time: string | null;
  readonly order_id: string | null;
}

const UNKNOWN: CauseEvent = { event_id: null, type: null, time: null, order_id: null };

/** The events at some places of the stream, in their order. Throws what `payloads.fetch` throws. */
export async function causeEvents(
  finder: Pick<FinderParts, 'payloads' | 'reader'> | undefined,
  places: readonly { readonly sequence: number; readonly part: number }[],
  mask: PiiMask,
  signal: AbortSignal,
): Promise<CauseEvent[]> {
  if (finder === undefined) return places.map(() => UNKNOWN);
  const texts = new Map<string, string | undefined>();
  const sequences = [...new Set(places.map(({ sequence }) => sequence))];
  for (let from = 0; from < sequences.length; from += MESSAGES_A_FETCH) {
    const slice = new Set(sequences.slice(from, from + MESSAGES_A_FETCH));
    const messages = await finder.payloads.fetch([...slice], signal);
    for (const { sequence, part } of places) {
      const message = slice.has(sequence) ? messages.get(sequence) : undefined;
      if (message === undefined || message === null) continue;
      texts.set(`${sequence}/${part}`, finder.reader(message)(part));
    }
  }
  return places.map(({ sequence, part }) => {
    const text = texts.get(`${sequence}/${part}`);
    return text === undefined ? UNKNOWN : saidBy(mask.textOf(text));
  });
}

function saidBy(text: string): CauseEvent {
  const event = parseEventJson(text);
  if (typeof event !== 'object' || event === null) return UNKNOWN;
  const members = event as Readonly<Record<string, unknown>>;
  const textIn = (name: string): string | null => {
    const value = members[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
  };
  return {
    ...{ event_id: textIn('event_id'), type: textIn('type'), time: textIn('time') },
    order_id: textIn('order_id'),
  };
}
