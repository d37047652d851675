import { ByteWriter, type KvRange, type KvTable, type KvView } from '../../engine/index.ts';

const PREFIX_BYTES = 4;

const writer = new ByteWriter();

/** The part of a table whose keys begin with four bytes of a number, as a table of its own. */
export class PrefixedView implements KvView {
  readonly #view: KvView;
  readonly #start: Uint8Array;
  protected readonly end: Uint8Array;

  constructor(view: KvView, prefix: number) {
    this.#view = view;
    this.#start = writer.reset().u32(prefix).copy();
    this.end = writer
      .reset()
      .u32(prefix + 1)
      .copy();
  }

  protected keyOf(key: Uint8Array): Uint8Array {
    return Buffer.concat([this.#start, key]);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#view.get(this.keyOf(key));
  }

  *scan({ start, end, ...rest }: KvRange = {}) {
    const range = {
      ...rest,
      start: start === undefined ? this.#start : this.keyOf(start),
      end: end === undefined ? this.end : this.keyOf(end),
    };
    for (const { key, value } of this.#view.scan(range)) yield { key: key.subarray(PREFIX_BYTES), value };
  }
}

export class PrefixedTable extends PrefixedView implements KvTable {
  readonly #table: KvTable;

  constructor(table: KvTable, prefix: number) {
    super(table, prefix);
    this.#table = table;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#table.put(this.keyOf(key), value);
  }

  remove(key: Uint8Array): void {
    this.#table.remove(this.keyOf(key));
  }

  removeRange({ start, end }: Pick<KvRange, 'start' | 'end'>): void {
    this.#table.removeRange({
      start: this.keyOf(start ?? new Uint8Array(0)),
      end: end === undefined ? this.end : this.keyOf(end),
    });
  }
}
