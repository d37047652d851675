import { asMillraceError, type KvReader, type MillraceError } from '../../engine/index.ts';
import { isDamage } from './problem.ts';

/** Rows and bytes that one look reads at most. */
const LOOK_MAX_ROWS = 64;
const LOOK_MAX_BYTES = 262_144;
/** However often somebody asks. */
const LOOK_EVERY_MS = 1_000;

/** What a look has read. */
interface Piece {
  rows: number;
  bytes: number;
}

/**
 * Reads the state bit by bit, a piece a look, so that damage shows which no query meets, and remembers what queries met.
 * Damage does not pass: it holds until another state is read.
 */
export class StateLook {
  #reader: KvReader | undefined;
  #damage: MillraceError | undefined;
  #table = 0;
  #from: Uint8Array | undefined;
  #looked_ms = Number.NEGATIVE_INFINITY;

  /** Of what a request threw. */
  saw(error: MillraceError): void {
    if (isDamage(error)) this.#damage ??= error;
  }

  /** Reads on. Throws what is wrong with the state. */
  look(reader: KvReader, now_ms: number): void {
    this.#follow(reader);
    if (this.#damage !== undefined) throw this.#damage;
    if (now_ms - this.#looked_ms < LOOK_EVERY_MS) return;
    this.#looked_ms = now_ms;
    const names = reader.tableNames();
    if (this.#table >= names.length) this.#table = 0;
    const piece = { rows: 0, bytes: 0 };
    for (const name of names.slice(this.#table)) if (this.#readOn(reader, name, piece)) return;
  }

  /** Reads on in a table; false where it has ended and there is room for more. */
  #readOn(reader: KvReader, name: string, piece: Piece): boolean {
    let last: Uint8Array | undefined;
    try {
      last = reader.snapshot((table) => this.#read(table(name).scan(this.#rest()), piece));
    } catch (error) {
      this.saw(asMillraceError(error));
      throw error;
    }
    // Behind it comes the key with a 0 at its end.
    this.#from = last === undefined ? undefined : Buffer.concat([last, Uint8Array.of(0)]);
    if (last === undefined) this.#table++;
    return last !== undefined;
  }

  #rest() {
    return { limit: LOOK_MAX_ROWS, ...(this.#from === undefined ? {} : { start: this.#from }) };
  }

  /** The last key that was read; undefined at the end of the table. */
  #read(
    entries: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>,
    piece: Piece,
  ): Uint8Array | undefined {
    for (const { key, value } of entries) {
      piece.rows++;
      piece.bytes += value.length;
      if (piece.rows >= LOOK_MAX_ROWS || piece.bytes > LOOK_MAX_BYTES) return Uint8Array.from(key);
    }
    return undefined;
  }

  #follow(reader: KvReader): void {
    if (reader === this.#reader) return;
    // What was seen before the first look is of the first reader.
    if (this.#reader !== undefined) this.#damage = undefined;
    this.#reader = reader;
    this.#table = 0;
    this.#from = undefined;
  }
}
