import { ByteReader, type ByteWriter, type Codec, invariant } from '../../engine/index.ts';
import { compareUndecided, neededPicks, type PartialMatch, type Pick } from './pattern-partial.ts';

export interface BufferedEvent<E> {
  readonly time_ms: number;
  /** Orders events of equal time. */
  readonly id: string;
  readonly event: E;
}

/** What is kept of a key. */
export interface PatternRow<E> {
  /** In order; the watermark has not passed them. */
  buffer: BufferedEvent<E>[];
  /** The events that partial matches have picked, by number; of those that nobody needs some may be left. */
  picked: Map<number, E>;
  /** In the order of `compareUndecided`. */
  partials: PartialMatch[];
  /** The number of the next event. */
  next: number;
  /** When its timer is due. */
  wake_ms?: number;
  /** Only in memory: how many picked events it takes until it is worth while to look for those that nobody needs. */
  forgetAt_events?: number;
}

const FORGET_AT_EVENTS = 32;

export function newPatternRow<E>(): PatternRow<E> {
  return { buffer: [], picked: new Map(), partials: [], next: 0 };
}

/** Puts an event where it belongs; of equal ones the order makes no difference. */
export function bufferEvent<E>({ buffer }: PatternRow<E>, event: BufferedEvent<E>): void {
  let low = 0;
  let high = buffer.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(event, buffer[middle] as BufferedEvent<E>)) high = middle;
    else low = middle + 1;
  }
  buffer.splice(low, 0, event);
}

function isBefore<E>(a: BufferedEvent<E>, b: BufferedEvent<E>): boolean {
  return a.time_ms === b.time_ms ? a.id < b.id : a.time_ms < b.time_ms;
}

/** Forgets the events that no partial match has picked, now and then: to look for them costs as much as they are. */
export function dropUnpicked<E>(row: PatternRow<E>): void {
  const { picked, partials } = row;
  if (picked.size < (row.forgetAt_events ?? FORGET_AT_EVENTS) && partials.length > 0) return;
  const used = new Set<number>();
  for (const [pick, need] of neededPicks(partials)) {
    used.add(pick.event);
    // What lies before was of matches that are gone.
    if (need === 1) pick.before = undefined;
  }
  for (const event of picked.keys()) if (!used.has(event)) picked.delete(event);
  row.forgetAt_events = Math.max(FORGET_AT_EVENTS, 2 * picked.size);
}

/** Events numbered anew: how far a key's numbers have come, and when it is looked at, is a matter of the way. */
export function logicalPatternRow<E>({ buffer, picked, partials }: PatternRow<E>): PatternRow<E> {
  const needed = neededPicks(partials);
  const used = [...new Set([...needed.keys()].map(({ event }) => event))].sort((a, b) => a - b);
  const numbers = new Map(used.map((number, at) => [number, at]));
  const anew = (number: number): number => numbers.get(number) as number;
  const picks = new Map<Pick, Pick>();
  for (const pick of sorted(needed)) {
    const before = pick.before === undefined ? undefined : picks.get(pick.before);
    picks.set(pick, { event: anew(pick.event), stage: pick.stage, before });
  }
  return {
    buffer,
    picked: new Map(used.map((number, at) => [at, picked.get(number) as E])),
    partials: partials.map((match) => ({
      ...match,
      first: anew(match.first),
      last: picks.get(match.last) as Pick,
    })),
    next: numbers.size,
  };
}

/** Each after the one before it, in an order that follows from what they are. */
function sorted(needed: ReadonlyMap<Pick, number>): Pick[] {
  return [...needed.keys()].sort((a, b) => a.event - b.event || a.stage - b.stage);
}

/** Numbers as they are; events by a codec of their own. */
export function patternRowCodec<E>(events: Codec<E>): Codec<PatternRow<E>> {
  return {
    write: (writer: ByteWriter, row: PatternRow<E>) => {
      const needed = neededPicks(row.partials);
      const picks = sorted(needed);
      const used = new Set(picks.map(({ event }) => event));
      writeHead(writer, row, events);
      writer.varint(used.size);
      for (const number of used) {
        writer.varint(number);
        events.write(writer, row.picked.get(number) as E);
      }
      const places = new Map(picks.map((pick, at) => [pick, at + 1]));
      writer.varint(picks.length);
      for (const pick of picks) {
        const isNeeded = pick.before !== undefined && (needed.get(pick) as number) > 1;
        writer.varint(pick.event).varint(pick.stage);
        writer.varint(isNeeded ? (places.get(pick.before as Pick) as number) : 0);
      }
      writer.varint(row.partials.length);
      for (const match of row.partials) writePartial(writer, match, places.get(match.last) as number);
    },
    read: (reader: ByteReader) => {
      const row = readHead(reader, events);
      const picks: Pick[] = [];
      for (let left = reader.varint(); left > 0; left--) {
        const [event, stage, before] = [reader.varint(), reader.varint(), reader.varint()];
        picks.push({ event, stage, before: before === 0 ? undefined : picks[before - 1] });
      }
      for (let left = reader.varint(); left > 0; left--) row.partials.push(readPartial(reader, picks));
      return row;
    },
  };
}

/** Rows of the first version, in which each partial match had all of its picks. */
export function readFormerPatternRow<E>(bytes: Uint8Array, events: Codec<E>): PatternRow<E> {
  const reader = new ByteReader(bytes);
  const row = readHead(reader, events);
  for (let left = reader.varint(); left > 0; left--) row.partials.push(readFormerPartial(reader));
  row.partials.sort(compareUndecided);
  return row;
}

/** What waits, and the events that were picked follow. */
function writeHead<E>(writer: ByteWriter, { buffer, next, wake_ms }: PatternRow<E>, events: Codec<E>): void {
  writer
    .varint(next)
    .zigzag(wake_ms ?? -1)
    .varint(buffer.length);
  for (const { time_ms, id, event } of buffer) {
    writer.zigzag(time_ms).string(id);
    events.write(writer, event);
  }
}

/** With the events that were picked. */
function readHead<E>(reader: ByteReader, events: Codec<E>): PatternRow<E> {
  const next = reader.varint();
  const wake_ms = reader.zigzag();
  const row: PatternRow<E> = { ...newPatternRow<E>(), next, ...(wake_ms < 0 ? {} : { wake_ms }) };
  for (let left = reader.varint(); left > 0; left--) {
    row.buffer.push({ time_ms: reader.zigzag(), id: reader.string(), event: events.read(reader) });
  }
  for (let left = reader.varint(); left > 0; left--) {
    row.picked.set(reader.varint(), events.read(reader));
  }
  return row;
}

function writePartial(writer: ByteWriter, match: PartialMatch, last: number): void {
  const { start_ms, first, length, count, dead, isFresh, isComplete, isExtended } = match;
  const flags = (isFresh ? 1 : 0) | (isComplete ? 2 : 0) | (isExtended ? 4 : 0);
  writer.zigzag(start_ms).varint(first).varint(last).varint(length).varint(count).varint(dead).varint(flags);
}

function readPartial(reader: ByteReader, picks: readonly Pick[]): PartialMatch {
  const start_ms = reader.zigzag();
  const first = reader.varint();
  const last = picks[reader.varint() - 1];
  invariant(last !== undefined, 'a partial match has a pick');
  const [length, count, dead] = [reader.varint(), reader.varint(), reader.varint()];
  return { start_ms, first, last, length, count, dead, ...flagsOf(reader.varint()) };
}

function readFormerPartial(reader: ByteReader): PartialMatch {
  const start_ms = reader.zigzag();
  const [count, dead, flags] = [reader.varint(), reader.varint(), reader.varint()];
  let last: Pick | undefined;
  let first: number | undefined;
  const length = reader.varint();
  for (let left = length; left > 0; left--) {
    const [event, stage] = [reader.varint(), reader.varint()];
    first ??= event;
    last = { event, stage, before: last };
  }
  invariant(last !== undefined && first !== undefined, 'a partial match has a pick');
  return { start_ms, first, last, length, count, dead, ...flagsOf(flags) };
}

function flagsOf(flags: number): { isFresh: boolean; isComplete: boolean; isExtended: boolean } {
  return { isFresh: (flags & 1) !== 0, isComplete: (flags & 2) !== 0, isExtended: (flags & 4) !== 0 };
}
