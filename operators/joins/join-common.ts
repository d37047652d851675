import {
  ByteWriter,
  type Codec,
  type Either,
  MillraceError,
  type NameOf,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { takeBatch } from '../core/index.ts';

/** The user's function of a mode, for an operator that calls it only as the mode allows. */
export type JoinFunction<L, R, Out, Rest extends readonly unknown[] = []> = (
  left: L | undefined,
  right: R | undefined,
  ...rest: Rest
) => Out;

export const DEFAULT_MAX_ENTRIES_PER_KEY = 1_000_000;

/** Results handed on at once: one row of a hot key may match more than memory holds. */
const OUTPUT_MAX_ITEMS = 4_096;

/** What of an operator's context it gives results with. */
interface JoinEmit<T> {
  readonly isFollowed: boolean;
  emit(items: readonly T[], nameOf?: NameOf<T>): void;
}

/** How a join takes a row of each side; true: it is late. */
interface JoinTaking<L, R> {
  left(value: L): boolean;
  right(value: R): boolean;
}

/** Takes the rows of a batch, each by its side; those that are late. */
export function takeRows<L, R>(
  items: readonly Either<L, R>[],
  { left, right }: JoinTaking<L, R>,
): readonly Either<L, R>[] {
  return takeBatch(items, (item) =>
    (item.input === 'left' ? left(item.value) : right(item.value)) ? 'late' : 'taken',
  ).late;
}

/** Collects results and hands them on in bounded batches. */
export class JoinOutput<T> {
  readonly #emit: (items: readonly T[], nameOf?: NameOf<T>) => void;
  /** Somebody asks for names. */
  readonly isNamed: boolean;
  #items: T[] = [];
  #names: (string | undefined)[] = [];

  constructor({ emit, isFollowed }: JoinEmit<T>) {
    this.#emit = emit;
    this.isNamed = isFollowed;
  }

  /** Without a name a result is that of the record at work. */
  push(item: T, name?: string): void {
    if (this.isNamed) this.#names.push(name);
    if (this.#items.push(item) >= OUTPUT_MAX_ITEMS) this.flush();
  }

  flush(): void {
    if (this.#items.length === 0) return;
    const [items, names] = [this.#items, this.#names];
    this.#items = [];
    this.#names = [];
    if (this.isNamed) this.#emit(items, (_, at) => names[at]);
    else this.#emit(items);
  }
}

/** Names a row that comes out by itself: those that are alike come out in one push. */
export const nameOfRow = ({ side, time_ms, key }: Pick<OrderedRow, 'side' | 'time_ms' | 'key'>): string =>
  `${side} ${time_ms} ${key}`;

/** A row of a match: its place is its number among the rows of its side, key and bucket, as they came. */
export interface MatchedRow {
  readonly time_ms: number;
  readonly place: number;
}

/**
 * Names a match by its two rows, so that it is the same whichever of them comes last. Nothing where one of them was not
 * kept, and so has no place.
 */
export const nameOfMatch = (key: string, left: MatchedRow, right: MatchedRow): string | undefined =>
  left.place < 0 || right.place < 0
    ? undefined
    : `match ${left.time_ms} ${left.place} ${right.time_ms} ${right.place} ${key}`;

export function codecOf<V>({ codec }: { readonly codec?: Codec<V> }): Codec<V> {
  return codec ?? trustedJsonCodec<V>();
}

/** A row that is to come out, with all that its place in the order depends on. */
export interface OrderedRow {
  readonly time_ms: number;
  readonly key: string;
  readonly side: 'left' | 'right';
  /** The row's stable serialisation; made only where all else is equal. */
  bytes(): Uint8Array;
}

/** By time, then key, then left before right, then content: the same whatever the order of arrival. */
export function byTimeAndKey(a: OrderedRow, b: OrderedRow): number {
  if (a.time_ms !== b.time_ms) return a.time_ms - b.time_ms;
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  if (a.side !== b.side) return a.side === 'left' ? -1 : 1;
  return Buffer.compare(a.bytes(), b.bytes());
}

/** The bytes of a value: what breaks ties between rows. */
export function encoded<V>(codec: Codec<V>, value: V): Uint8Array {
  const writer = new ByteWriter();
  codec.write(writer, value);
  return writer.copy();
}

/** A setting in ms, checked when the operator is made. */
export function checkedSetting(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new MillraceError(
    'bad_join_config',
    `${name} is ${value}; it has to be a whole number from ${min} on.`,
  );
}

/** A row of a table, as of its time. */
export interface Version<V> {
  readonly time_ms: number;
  readonly value: V;
}

/** The older of two versions first: by time, then by bytes, so that the order of arrival is nothing. */
export function byVersion<V>(a: Version<V>, b: Version<V>, codec: Codec<V>): number {
  if (a.time_ms !== b.time_ms) return a.time_ms - b.time_ms;
  return Buffer.compare(encoded(codec, a.value), encoded(codec, b.value));
}

export function versionCodec<V>(codec: Codec<V>): Codec<Version<V>> {
  return {
    write: (writer, { time_ms, value }) => {
      writer.u48(time_ms);
      codec.write(writer, value);
    },
    read: (reader) => ({ time_ms: reader.u48(), value: codec.read(reader) }),
  };
}
