import type { RowBatch } from '../../../engine/index.ts';
import type { Backfilled } from '../backfill/index.ts';
import type { CubeInfo } from './definition.ts';
import type { OwnReader, RowReader } from './row-reader.ts';
import { KEY_WORDS, TouchedCells } from './touched-cells.ts';

const placeOf = (specs: readonly { readonly name: string; readonly kind: string }[], name: string): number =>
  specs.filter(({ kind }) => kind === 'code').findIndex((spec) => spec.name === name);

/** One cube and what was added to it since the last commit. */
export class Cube implements Backfilled<CubeInfo> {
  slot: CubeInfo;
  readonly touched: TouchedCells;
  /** What a row adds to it, where that is not what it adds to all others. */
  reader: OwnReader | undefined;
  /** Some of its dimensions are columns of items. */
  #isByItems = false;
  readonly #dimensions: number;
  readonly #bucket_ms: number;
  /** The dimensions' columns of the open batch. */
  #codes: readonly Int32Array[] = [];
  /** Code columns of items by which to group, and of each dimension its place among them, or -1. */
  #itemColumns = new Int32Array(0);
  #itemPlace = new Int32Array(0);
  #schema: unknown;
  #columns: readonly number[] = [];

  constructor(info: CubeInfo, reader: OwnReader | undefined = undefined) {
    this.slot = info;
    this.reader = reader;
    this.#dimensions = info.dimensions.length;
    this.#bucket_ms = info.bucket_ms;
    this.touched = new TouchedCells(info.dimensions.length, info.measures);
  }

  get isByItems(): boolean {
    return this.#isByItems;
  }

  /** Text columns that it looks at. */
  get texts(): readonly string[] {
    return [...this.slot.dimensions, ...(this.reader?.texts ?? [])];
  }

  open(batch: RowBatch): void {
    if (this.#schema !== batch.schema) this.#learn(batch);
    this.reader?.open(batch);
    this.#codes = this.#columns.map((column) => batch.columns.codes[column] as Int32Array);
  }

  #learn({ schema }: RowBatch): void {
    const { dimensions } = this.slot;
    this.#schema = schema;
    this.#columns = dimensions.map((name) => placeOf(schema.columns, name));
    const itemColumns = dimensions.map((name) => placeOf(schema.items, name));
    this.#itemColumns = Int32Array.from(itemColumns.filter((column) => column >= 0));
    this.#itemPlace = Int32Array.from(itemColumns, (column) => this.#itemColumns.indexOf(column));
    this.#isByItems = this.#itemColumns.length > 0;
  }

  /** A row as a whole, with the additions that the reader holds. */
  add(batch: RowBatch, row: number, reader: RowReader, currency: number, additions: number): void {
    const { touched } = this;
    const { key } = touched;
    key[0] = batch.scope[row] as number;
    key[1] = Math.floor((batch.time_ms[row] as number) / this.#bucket_ms);
    key[2] = currency;
    const codes = this.#codes;
    for (let at = 0; at < this.#dimensions; at++)
      key[KEY_WORDS + at] = (codes[at] as Int32Array)[row] as number;
    touched.add(additions, reader.measure, reader.value);
  }

  /** A row once for each group of its items; the reader's additions are others afterwards. */
  addGroups(batch: RowBatch, row: number, reader: RowReader, currency: number): void {
    const { touched } = this;
    const { key } = touched;
    const width = this.#itemColumns.length;
    const groups = reader.group(row, this.#itemColumns);
    key[0] = batch.scope[row] as number;
    key[1] = Math.floor((batch.time_ms[row] as number) / this.#bucket_ms);
    key[2] = currency;
    for (let group = 0; group < groups; group++) {
      for (let at = 0; at < this.#dimensions; at++) {
        const place = this.#itemPlace[at] as number;
        key[KEY_WORDS + at] =
          place < 0
            ? ((this.#codes[at] as Int32Array)[row] as number)
            : (reader.groupCodes[group * width + place] as number);
      }
      touched.add(reader.readGroup(group), reader.measure, reader.value);
    }
  }
}

/** Of the rows since the last commit that a cube left to its build, the newest in time. */
export interface LeftRow {
  time_ms: number;
  sequence: number;
  /** Code of its scope. */
  scope: number;
}

/** The cubes that count a scope's rows, for the open batch. */
interface ScopeCubes {
  readonly cubes: readonly Cube[];
  whole: readonly Cube[];
  byItems: readonly Cube[];
  /** Those with a reader of their own. */
  own: readonly Cube[];
  /** Number of the batch that they are open for. */
  batch: number;
}

/** Which cubes count which rows: those of everybody, and of each scope its own. */
export class CubeIndex {
  readonly #shared: readonly Cube[];
  readonly #own = new Map<string, Cube[]>();
  /** By the code of the scope. */
  readonly #scopes = new Map<number, ScopeCubes>();
  #batches = 0;

  constructor(cubes: readonly Cube[]) {
    this.#shared = cubes.filter(({ slot }) => slot.scope === undefined);
    for (const cube of cubes) {
      const { scope } = cube.slot;
      if (scope === undefined) continue;
      const own = this.#own.get(scope);
      if (own === undefined) this.#own.set(scope, [cube]);
      else own.push(cube);
    }
  }

  get isEmpty(): boolean {
    return this.#shared.length === 0 && this.#own.size === 0;
  }

  /** Another batch begins. */
  next(): void {
    this.#batches++;
  }

  /** The cubes of a scope, open for the batch. */
  open(batch: RowBatch, scope: number): ScopeCubes {
    let found = this.#scopes.get(scope);
    if (found === undefined) {
      const own = this.#own.get(batch.dictionary.textOf(scope)) ?? [];
      found = { cubes: [...this.#shared, ...own], whole: [], byItems: [], own: [], batch: 0 };
      this.#scopes.set(scope, found);
    }
    if (found.batch !== this.#batches) {
      const { cubes } = found;
      for (let at = 0; at < cubes.length; at++) (cubes[at] as Cube).open(batch);
      if (found.batch === 0) {
        const shared = cubes.filter((cube) => cube.reader === undefined);
        found.whole = shared.filter((cube) => !cube.isByItems);
        found.byItems = shared.filter((cube) => cube.isByItems);
        found.own = cubes.filter((cube) => cube.reader !== undefined);
      }
      found.batch = this.#batches;
    }
    return found;
  }
}

/**
 * Adds the rows of a batch to cubes. Rows that come in count only where a cube counts their time already; what is
 * `left` is in the log when that time is built. Rows of the log (without `left`) are of the time that is being built.
 */
export function addRows(
  index: CubeIndex,
  reader: RowReader,
  batch: RowBatch,
  left: LeftRow | undefined,
): void {
  if (index.isEmpty) return;
  reader.open(batch);
  index.next();
  const currencies = batch.columns.codes[reader.currency] as Int32Array;
  let scope = -1;
  let whole: readonly Cube[] = [];
  let byItems: readonly Cube[] = [];
  let own: readonly Cube[] = [];
  for (let row = 0; row < batch.length; row++) {
    if (batch.scope[row] !== scope) {
      scope = batch.scope[row] as number;
      ({ whole, byItems, own } = index.open(batch, scope));
    }
    const time_ms = batch.time_ms[row] as number;
    const currency = currencies[row] as number;
    for (let at = 0; at < own.length; at++) addOwn(own[at] as Cube, batch, row, currency, left);
    if (whole.length + byItems.length === 0) continue;
    const additions = reader.read(row);
    if (additions === 0) continue;
    for (let at = 0; at < whole.length; at++) {
      const cube = whole[at] as Cube;
      if (left === undefined || time_ms >= cube.slot.from_ms)
        cube.add(batch, row, reader, currency, additions);
      else leave(left, batch, row);
    }
    const hasItems = byItems.length > 0 && (batch.itemCount[row] as number) > 0;
    for (let at = 0; at < byItems.length; at++) {
      const cube = byItems[at] as Cube;
      if (left !== undefined && time_ms < cube.slot.from_ms) leave(left, batch, row);
      else if (hasItems) cube.addGroups(batch, row, reader, currency);
      else cube.add(batch, row, reader, currency, additions);
    }
  }
}

/** A row, to a cube with a reader of its own. */
function addOwn(cube: Cube, batch: RowBatch, row: number, currency: number, left: LeftRow | undefined): void {
  const { reader } = cube;
  if (reader === undefined) return;
  const additions = reader.read(row);
  if (additions === 0) return;
  if (left !== undefined && (batch.time_ms[row] as number) < cube.slot.from_ms) leave(left, batch, row);
  else if (cube.isByItems && (batch.itemCount[row] as number) > 0)
    cube.addGroups(batch, row, reader, currency);
  else cube.add(batch, row, reader, currency, additions);
}

function leave(left: LeftRow, batch: RowBatch, row: number): void {
  const time_ms = batch.time_ms[row] as number;
  if (time_ms <= left.time_ms) return;
  left.time_ms = time_ms;
  left.sequence = batch.sequence[row] as number;
  left.scope = batch.scope[row] as number;
}
