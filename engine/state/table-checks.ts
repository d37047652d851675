import { ByteReader, ByteWriter, type Codec, MillraceError, watchingJson } from '../base/index.ts';

/**
 * How closely state is looked at. `first`: whether the codec of a table gives back what it was given, of the first rows
 * that are written. `always`: of all rows; and whether a value that was read was changed without being set.
 */
export type StateChecks = 'first' | 'always';

/** Rows of a table that are looked at where not all are. */
const FIRST_ROWS = 100;

interface Place {
  readonly key: string | number;
  readonly scope: { readonly name: string };
}

interface Given<V> {
  readonly value: V;
  readonly bytes: Uint8Array;
}

/** Finds what a restart would lose of the rows of one table, and names operator, table and key. */
export class TableChecks<V> {
  readonly #id: string;
  readonly #codec: Codec<V>;
  #left_rows: number;
  /** What was read since the last look, as it was; undefined where that is not looked at. */
  readonly #given: Map<Place, Given<V>> | undefined;
  readonly #writer = new ByteWriter();

  constructor(id: string, codec: Codec<V>, checks: StateChecks, changesInPlace: boolean) {
    this.#id = id;
    this.#codec = codec;
    this.#left_rows = checks === 'always' ? Number.POSITIVE_INFINITY : FIRST_ROWS;
    this.#given = checks === 'always' && !changesInPlace ? new Map() : undefined;
  }

  /** Writes a value; throws `state_not_kept` for one that its codec throws at, or does not give back. */
  write(writer: ByteWriter, row: Place, value: V): void {
    const isWatched = this.#left_rows > 0;
    if (isWatched) this.#left_rows--;
    const from = writer.length;
    this.#naming(row, () => {
      if (!isWatched) return this.#codec.write(writer, value);
      const lost = watchingJson(() => this.#codec.write(writer, value));
      if (lost !== undefined) throw this.#notKept(row, `would not be the same after a restart: ${lost}`);
      // Not of a view that the next write changes.
      const bytes = Buffer.from(writer.view().subarray(from));
      const reader = new ByteReader(bytes);
      const again = this.#bytesOf(this.#codec.read(reader));
      if (reader.remaining > 0 || !bytes.equals(again)) {
        throw this.#notKept(
          row,
          'would not be the same after a restart: its codec does not read what it writes',
        );
      }
    });
  }

  /** A value is handed out: until the next look it may change only by being set. */
  gave(row: Place, value: V): void {
    if (this.#given === undefined || typeof value !== 'object' || value === null) return;
    if (!this.#given.has(row))
      this.#given.set(row, { value, bytes: this.#naming(row, () => this.#bytesOf(value)) });
  }

  set(row: Place): void {
    this.#given?.delete(row);
  }

  /** Throws `state_changed_in_place` where what was handed out since the last look is not what it was. */
  look(): void {
    if (this.#given === undefined) return;
    const given = [...this.#given];
    this.#given.clear();
    for (const [row, { value, bytes }] of given) {
      const now = this.#naming(row, () => this.#bytesOf(value));
      if (Buffer.compare(bytes, now) === 0) continue;
      throw new MillraceError(
        'state_changed_in_place',
        `The value of ${this.#named(row)} was changed in place and not set: after a restart it would be the former ` +
          'one. Hand what it has become to `setState`, or to `set` of the table; and change no item that was emitted.',
      );
    }
  }

  #bytesOf(value: V): Uint8Array {
    this.#writer.reset();
    this.#codec.write(this.#writer, value);
    return this.#writer.copy();
  }

  #naming<T>(row: Place, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw this.#notKept(
        row,
        `cannot be stored (${error instanceof Error ? error.message : String(error)})`,
        error,
      );
    }
  }

  #named({ key, scope }: Place): string {
    const [operator, table] = this.#id.split('/');
    const whose = scope.name === '' ? '' : ` of "${scope.name}"`;
    return `operator "${operator}", table "${table}", key ${JSON.stringify(key)}${whose}`;
  }

  #notKept(row: Place, what: string, cause?: unknown): MillraceError {
    return new MillraceError(
      'state_not_kept',
      `The value of ${this.#named(row)} ${what}. Without a codec of its own state is kept as JSON: texts, numbers, ` +
        'bigints, booleans, null, lists and plain objects. Keep it as these, or give the operator a codec.',
      cause === undefined ? {} : { cause },
    );
  }
}
