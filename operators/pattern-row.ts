import type { ByteReader, ByteWriter, Codec } from '../engine/index.ts';
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

/** Everything as JSON but the events, which have a codec of their own. */
export function patternRowCodec<E>(events: Codec<E>): Codec<PatternRow<E>> {
  return {
    write: (writer: ByteWriter, { buffer, picked, ...rest }: PatternRow<E>) => {
      const head = {
        ...rest,
        buffer: buffer.map(({ time_ms, id }) => [time_ms, id]),
        picked: [...picked.keys()],
      };
      writer.string(JSON.stringify(head));
      for (const { event } of buffer) events.write(writer, event);
      for (const event of picked.values()) events.write(writer, event);
    },
    read: (reader: ByteReader) => {
      const head = JSON.parse(reader.string()) as Omit<PatternRow<E>, 'buffer' | 'picked'> & {
        readonly buffer: readonly (readonly [number, string])[];
        readonly picked: readonly number[];
      };
      return {
        ...head,
        buffer: head.buffer.map(([time_ms, id]) => ({ time_ms, id, event: events.read(reader) })),
        picked: new Map(head.picked.map((event) => [event, events.read(reader)])),
      };
    },
  };
}
