import {
  type Chunk,
  type ChunkHashes,
  type Columns,
  type Dictionary,
  type LogSchema,
  type LogView,
  planScan,
  type RowsView,
  scanChunks,
} from '../../engine/index.ts';
import { type EventBatch, typeCode } from '../events/index.ts';
import { CODE, FLAG, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER } from '../rows/index.ts';
import { OwnRow } from './own-row.ts';

/** Where rows are found that no record of the ledger has: the log, and what is on its way there. */
export interface LookupSources {
  readonly schema: LogSchema;
  /** The rows of the commits; undefined where there is no log. */
  readonly committed: LogView | undefined;
  /** The rows since the last commit but those of the batch at hand. */
  readonly pending: () => RowsView | undefined;
}

/** A row of the log that an event came in with, or that takes one back. */
interface Found {
  readonly own: OwnRow;
  readonly flags: number;
  readonly isRetraction: boolean;
  readonly origin: number;
  readonly origin_part: number;
}

interface RowColumns {
  code(column: number, row: number): number;
  hi(column: number, row: number): number;
  lo(column: number, row: number): number;
  number(column: number, row: number): number;
}

/** Which rows are asked for: of one of these events, or of an entity. */
export type RowMatch =
  | { readonly kind: 'events'; readonly codes: ReadonlySet<number> }
  | { readonly kind: 'entity'; readonly column: number; readonly hi: number; readonly lo: number };

const OWN = FLAG.original | FLAG.displaced;
const ALL = { start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER } as const;
const DAY_MS = 86_400_000;

/** Finds events again by their rows. What it gives are copies. */
export class RowLookup {
  readonly #sources: LookupSources;
  readonly #dictionary: Dictionary;
  readonly #dimensions: number;
  /** Of the batch at hand: its rows so far, and the corrections that they caused. */
  #rows: readonly RowsView[] = [];
  #before = 0;
  /** Of the batch's rows: 0 for those that dedup dropped. */
  #live: Uint8Array | undefined;
  #codes: ReadonlySet<number> = new Set();
  /** By tenant, what the commits have of the events that the batch corrects. */
  readonly #committed = new Map<number, readonly Found[]>();

  constructor(sources: LookupSources, dictionary: Dictionary, dimensions: number) {
    this.#sources = sources;
    this.#dictionary = dictionary;
    this.#dimensions = dimensions;
  }

  /** Begins a batch. */
  open(batch: EventBatch, corrections: RowsView): void {
    this.#rows = [batch.own, corrections];
    this.#live = batch.live;
    this.#committed.clear();
    this.#codes = new Set(batch.amendments.flatMap(({ targets }) => targets.map(({ event }) => event)));
  }

  /** Goes on to a row of the batch. */
  reach(row: number): void {
    this.#before = row;
  }

  /** The rows that events with this code came in with, of the events that the batch corrects. */
  events(scope: number, event: number): readonly OwnRow[] {
    let committed = this.#committed.get(scope);
    if (committed === undefined) {
      committed = this.#scan(scope, { kind: 'events', codes: this.#codes }, ALL);
      this.#committed.set(scope, committed);
    }
    const fresh = this.#fresh(scope, { kind: 'events', codes: new Set([event]) });
    return [...committed, ...fresh]
      .filter(({ flags, own }) => (flags & FLAG.original) !== 0 && own.event === event)
      .map(({ own }) => own);
  }

  /**
   * The earliest event of a kind of an entity that is in force, but for `without`, by time and event code; none of them
   * is before `without`.
   */
  first(scope: number, column: number, hi: number, lo: number, without: OwnRow): OwnRow | undefined {
    const match: RowMatch = { kind: 'entity', column, hi, lo };
    const { kind, time_ms } = without;
    const fresh = this.#fresh(scope, match);
    // Mostly it is near.
    for (const end_ms of [time_ms + DAY_MS, ALL.end_ms]) {
      const found = [...this.#scan(scope, match, { start_ms: time_ms, end_ms }), ...fresh];
      const first = inForce(found)
        .filter((own) => own.kind === kind && own.time_ms < end_ms && !isSamePlace(own, without))
        .reduce<OwnRow | undefined>(
          (best, own) => (best === undefined || isBefore(own, best) ? own : best),
          undefined,
        );
      if (first !== undefined) return first;
    }
    return undefined;
  }

  #fresh(scope: number, match: RowMatch): readonly Found[] {
    const found: Found[] = [];
    const pending = this.#sources.pending();
    if (pending !== undefined) this.#ofView(pending, pending.length, scope, match, found);
    for (const [at, rows] of this.#rows.entries()) {
      if (at === 0) this.#ofView(rows, this.#before, scope, match, found, this.#live);
      else this.#ofView(rows, rows.length, scope, match, found);
    }
    return found;
  }

  #ofView(
    rows: RowsView,
    length: number,
    scope: number,
    match: RowMatch,
    found: Found[],
    live?: Uint8Array,
  ): void {
    const { columns } = rows;
    const flags = columns.codes[CODE.flags] as Int32Array;
    const read = ofColumns(columns);
    for (let row = 0; row < length; row++) {
      if (live?.[row] === 0 || rows.scope[row] !== scope || ((flags[row] as number) & OWN) === 0) continue;
      if (!matches(read, row, match)) continue;
      const one = this.#copy(read, row);
      const { own } = one;
      own.time_ms = rows.time_ms[row] as number;
      own.sequence = rows.sequence[row] as number;
      own.part = rows.part[row] as number;
      copyItems(own, ofColumns(rows.items), rows.itemStart[row] as number, rows.itemCount[row] as number);
      found.push(one);
    }
  }

  #scan(
    scope: number,
    match: RowMatch,
    range: { readonly start_ms: number; readonly end_ms: number },
  ): readonly Found[] {
    const { committed, schema } = this.#sources;
    if (committed === undefined) return [];
    const found: Found[] = [];
    const plan = planScan(committed, { scope: this.#dictionary.textOf(scope), ...range });
    const { start_ms, end_ms } = plan.request;
    scanChunks(committed, plan, schema, (chunk) => {
      for (const row of rowsOf(chunk, match)) {
        const time_ms = chunk.time_ms()[row] as number;
        if (time_ms >= start_ms && time_ms < end_ms) found.push(this.#ofChunk(chunk, row, time_ms));
      }
    });
    return found;
  }

  #ofChunk(chunk: Chunk, row: number, time_ms: number): Found {
    const one = this.#copy(ofChunk(chunk), row);
    const { own } = one;
    own.time_ms = time_ms;
    own.sequence = chunk.sequence()[row] as number;
    own.part = chunk.part()[row] as number;
    if (!chunk.hasItems) return one;
    const items = chunk.items();
    const read: ItemColumns = {
      code: (column, item) => codeAt(items.code(column), item),
      number: (column, item) => items.number(column)[item] as number,
    };
    copyItems(own, read, items.start[row] as number, items.count[row] as number);
    return one;
  }

  #copy(read: RowColumns, row: number): Found {
    const own = new OwnRow(this.#dimensions);
    own.type = read.code(CODE.type, row);
    own.kind = typeCode(this.#dictionary.textOf(own.type));
    own.event = read.code(CODE.event, row);
    own.currency = read.code(CODE.currency, row);
    for (let index = 0; index < this.#dimensions; index++)
      own.dimensions[index] = read.code(CODE.dimensions + index, row);
    [own.order_hi, own.order_lo] = [read.hi(HASH.order, row), read.lo(HASH.order, row)];
    [own.customer_hi, own.customer_lo] = [read.hi(HASH.customer, row), read.lo(HASH.customer, row)];
    [own.session_hi, own.session_lo] = [read.hi(HASH.session, row), read.lo(HASH.session, row)];
    [own.ticket_hi, own.ticket_lo] = [read.hi(HASH.ticket, row), read.lo(HASH.ticket, row)];
    own.amount = read.number(NUMBER.amount, row);
    own.discount = read.number(NUMBER.discount, row);
    own.shipping = read.number(NUMBER.shipping, row);
    own.tax = read.number(NUMBER.tax, row);
    return {
      own,
      flags: read.code(CODE.flags, row),
      isRetraction: read.code(CODE.retraction, row) === 1,
      origin: read.number(NUMBER.origin, row),
      origin_part: read.number(NUMBER.origin_part, row),
    };
  }
}

interface ItemColumns {
  code(column: number, item: number): number;
  number(column: number, item: number): number;
}

function copyItems(own: OwnRow, read: ItemColumns, start: number, count: number): void {
  if (count === 0) return;
  own.items = count;
  own.reserveItems(count);
  for (let item = 0; item < count; item++) {
    own.sku[item] = read.code(ITEM_CODE.sku, start + item);
    own.category[item] = read.code(ITEM_CODE.category, start + item);
    own.quantity[item] = read.number(ITEM_NUMBER.quantity, start + item);
    own.unit_price[item] = read.number(ITEM_NUMBER.unit_price, start + item);
  }
}

function ofColumns({ codes, hashes, numbers }: Columns): RowColumns {
  return {
    code: (column, row) => (codes[column] as Int32Array)[row] as number,
    hi: (column, row) => hashes[column]?.hi[row] ?? 0,
    lo: (column, row) => hashes[column]?.lo[row] ?? 0,
    number: (column, row) => (numbers[column] as Float64Array)[row] as number,
  };
}

function ofChunk(chunk: Chunk): RowColumns {
  const hash = (half: 'hi' | 'lo') => (column: number, row: number) => {
    const hashes = chunk.hash(column);
    return hashes[half][hashes.index === null ? 0 : (hashes.index[row] as number)] as number;
  };
  return {
    code: (column, row) => codeAt(chunk.code(column), row),
    hi: hash('hi'),
    lo: hash('lo'),
    number: (column, row) => chunk.number(column)[row] as number,
  };
}

function codeAt({ index, values }: ReturnType<Chunk['code']>, row: number): number {
  return values[index === null ? 0 : (index[row] as number)] as number;
}

function matches(read: RowColumns, row: number, match: RowMatch): boolean {
  if (match.kind === 'events') return match.codes.has(read.code(CODE.event, row));
  return read.hi(match.column, row) === match.hi && read.lo(match.column, row) === match.lo;
}

/** Rows of a chunk that match, and that an event came in with or that take one back. */
function rowsOf(chunk: Chunk, match: RowMatch): readonly number[] {
  const isWanted =
    match.kind === 'events' ? byCode(chunk, match.codes) : byHash(chunk.hash(match.column), match);
  if (isWanted === undefined) return [];
  const rows: number[] = [];
  for (let row = 0; row < chunk.rows; row++) if (isWanted(row)) rows.push(row);
  if (rows.length === 0) return rows;
  const flags = chunk.code(CODE.flags);
  return rows.filter((row) => (codeAt(flags, row) & OWN) !== 0);
}

function byCode(chunk: Chunk, codes: ReadonlySet<number>): ((row: number) => boolean) | undefined {
  const { index, values } = chunk.code(CODE.event);
  const wanted = Uint8Array.from(values, (value) => (codes.has(value) ? 1 : 0));
  if (!wanted.includes(1)) return undefined;
  return (row) => wanted[index === null ? 0 : (index[row] as number)] === 1;
}

function byHash(
  { index, hi, lo }: ChunkHashes,
  wanted: { readonly hi: number; readonly lo: number },
): ((row: number) => boolean) | undefined {
  for (let at = hi.indexOf(wanted.hi); at !== -1; at = hi.indexOf(wanted.hi, at + 1)) {
    const place = at;
    if (lo[at] === wanted.lo) return (row) => (index === null ? 0 : index[row]) === place;
  }
  return undefined;
}

/** Events that came in and are not taken back. */
function inForce(found: readonly Found[]): readonly OwnRow[] {
  const net = new Map<string, number>();
  for (const { flags, isRetraction, origin, origin_part } of found) {
    if ((flags & FLAG.displaced) === 0) continue;
    const place = `${origin}/${origin_part}`;
    net.set(place, (net.get(place) ?? 0) + (isRetraction ? -1 : 1));
  }
  return found
    .filter(
      ({ flags, own }) => (flags & FLAG.original) !== 0 && (net.get(`${own.sequence}/${own.part}`) ?? 0) >= 0,
    )
    .map(({ own }) => own);
}

export function isSamePlace(a: OwnRow, b: OwnRow): boolean {
  return a.sequence === b.sequence && a.part === b.part;
}

function isBefore(a: OwnRow, b: OwnRow): boolean {
  return a.time_ms < b.time_ms || (a.time_ms === b.time_ms && a.event < b.event);
}
