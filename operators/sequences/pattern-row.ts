import type { ByteReader, ByteWriter, Codec } from '../../engine/index.ts';
import type { PartialMatch } from './pattern-nfa.ts';

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
  /** The events that partial matches have picked, by number. */
  picked: Map<number, E>;
  partials: PartialMatch[];
  /** The number of the next event. */
  next: number;
  /** When its timer is due. */
  wake_ms?: number;
}

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

/** Forgets the events that no partial match has picked. */
export function dropUnpicked<E>(row: PatternRow<E>): void {
  const used = new Set(row.partials.flatMap(({ picks }) => picks.map(([event]) => event)));
  for (const event of row.picked.keys()) if (!used.has(event)) row.picked.delete(event);
}

/** Events numbered anew: how far a key's numbers have come, and when it is looked at, is a matter of the way. */
export function logicalPatternRow<E>({ buffer, picked, partials }: PatternRow<E>): PatternRow<E> {
  const numbers = new Map([...picked.keys()].sort((a, b) => a - b).map((number, at) => [number, at]));
  const anew = (number: number): number => numbers.get(number) as number;
  return {
    buffer,
    picked: new Map([...numbers].map(([number, at]) => [at, picked.get(number) as E])),
    partials: partials.map((match) => ({
      ...match,
      picks: match.picks.map(([event, stage]) => [anew(event), stage]),
    })),
    next: numbers.size,
  };
}

/** Numbers as they are; events by a codec of their own. */
export function patternRowCodec<E>(events: Codec<E>): Codec<PatternRow<E>> {
  return {
    write: (writer: ByteWriter, { buffer, picked, partials, next, wake_ms }: PatternRow<E>) => {
      writer
        .varint(next)
        .zigzag(wake_ms ?? -1)
        .varint(buffer.length);
      for (const { time_ms, id, event } of buffer) {
        writer.zigzag(time_ms).string(id);
        events.write(writer, event);
      }
      writer.varint(picked.size);
      for (const [number, event] of picked) {
        writer.varint(number);
        events.write(writer, event);
      }
      writer.varint(partials.length);
      for (const match of partials) writePartial(writer, match);
    },
    read: (reader: ByteReader) => {
      const next = reader.varint();
      const wake_ms = reader.zigzag();
      const row: PatternRow<E> = { ...newPatternRow<E>(), next, ...(wake_ms < 0 ? {} : { wake_ms }) };
      for (let left = reader.varint(); left > 0; left--) {
        row.buffer.push({ time_ms: reader.zigzag(), id: reader.string(), event: events.read(reader) });
      }
      for (let left = reader.varint(); left > 0; left--) {
        row.picked.set(reader.varint(), events.read(reader));
      }
      for (let left = reader.varint(); left > 0; left--) row.partials.push(readPartial(reader));
      return row;
    },
  };
}

function writePartial(writer: ByteWriter, match: PartialMatch): void {
  const { start_ms, count, dead, isFresh, isComplete, isExtended, picks } = match;
  const flags = (isFresh ? 1 : 0) | (isComplete ? 2 : 0) | (isExtended ? 4 : 0);
  writer.zigzag(start_ms).varint(count).varint(dead).varint(flags).varint(picks.length);
  for (const [event, stage] of picks) writer.varint(event).varint(stage);
}

function readPartial(reader: ByteReader): PartialMatch {
  const start_ms = reader.zigzag();
  const count = reader.varint();
  const dead = reader.varint();
  const flags = reader.varint();
  const picks: [number, number][] = [];
  for (let left = reader.varint(); left > 0; left--) picks.push([reader.varint(), reader.varint()]);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return { start_ms, count, dead, isFresh: has(1), isComplete: has(2), isExtended: has(4), picks };
}
