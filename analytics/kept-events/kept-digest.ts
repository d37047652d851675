import {
  ByteReader,
  ByteWriter,
  type DescribedRow,
  Dictionary,
  type KvEntry,
  type KvView,
  runRows,
} from '../../engine/index.ts';
import { type RowHistory, readSlots } from '../../operators/index.ts';
import { logicalAttempts } from '../kept-attempts/index.ts';
import { BUILT_TO, type KeptInfo } from './kept-definition.ts';
import { KeptEvents } from './kept-record.ts';
import { PrefixedView } from './prefixed-table.ts';

/** Bytes of a key in front of a record. */
const KEY_BYTES = 8;

interface KeptViews {
  readonly entities: KvView;
  readonly definitions: KvView;
  readonly dictionary: KvView;
  readonly history: RowHistory;
}

/**
 * What is kept, as bytes: of each definition, by name, a row that says from when on it is, then a row an entity with
 * its events. Codes are given as they arrive: texts stand in their place. What the log has forgotten is forgotten, also
 * where it waits to be removed.
 */
export function* logicalKept(views: KeptViews): Iterable<Uint8Array> {
  const texts = new Dictionary(Number.MAX_SAFE_INTEGER);
  texts.follow(views.dictionary);
  views.history.refresh();
  for (const slot of liveSlots(views.definitions)) {
    const { name, scope, meaning, full = '' } = slot;
    const cut_ms = views.history.start_ms(scope);
    // Complete is complete, whether or not the log had a start when it was built.
    const from = slot.from_ms <= cut_ms ? '' : String(slot.from_ms);
    yield new ByteWriter().string(name).string(meaning).string(from).string(full).copy();
    const events = new KeptEvents(slot);
    for (const row of runRows(new PrefixedView(views.entities, slot.id))) {
      events.clear();
      events.read(row, KEY_BYTES, row.length, cut_ms);
      if (events.count === 0) continue;
      yield new ByteWriter()
        .bytes(row.subarray(0, KEY_BYTES))
        .string(textOf(events, slot, texts))
        .copy();
    }
  }
}

function textOf(events: KeptEvents, { codes }: KeptInfo, texts: Dictionary): string {
  const lines = Array.from({ length: events.count }, (_, event) => {
    const held = Array.from(events.held.subarray(event * events.words, (event + 1) * events.words));
    const words = held.map((word, at) => (at < codes ? texts.textOf(word) : word));
    // Of one width: so that texts sort as times do.
    const time = String(events.time_ms[event]).padStart(16, '0');
    return JSON.stringify([time, events.bits[event], ...words]);
  });
  return lines.sort().join('\n');
}

/** The attempts of each definition, by name, where they are those of all its entities. */
export function* logicalKeptAttempts(
  views: Pick<KeptViews, 'definitions' | 'history'> & { readonly attempts: KvView },
): Iterable<Uint8Array> {
  views.history.refresh();
  for (const { id, name, scope, attempts } of liveSlots(views.definitions)) {
    if (attempts?.built_to !== BUILT_TO.all) continue;
    yield new ByteWriter().string(name).string(attempts.meaning).copy();
    yield* logicalAttempts(views.attempts, id, views.history.start_ms(scope));
  }
}

function liveSlots(definitions: KvView): readonly KeptInfo[] {
  const slots = readSlots<KeptInfo>(definitions).filter(({ isDropped }) => !isDropped);
  return slots.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A block of attempts, or how many there are of each day. */
export function describeAttempts({ key, value }: KvEntry): DescribedRow {
  return { key: `definition ${new ByteReader(key).u32()}`, value: { size_bytes: value.length } };
}

/** A row of the runs of a definition. */
export function describeRecord({ key, value }: KvEntry): DescribedRow {
  return { key: `definition ${new ByteReader(key).u32()}`, value: { size_bytes: value.length } };
}
